"""Progress: a bar on a terminal, a line now and then elsewhere, and no exception in either."""

from __future__ import annotations

import io
import itertools
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3.common.callbacks import CallbackList

from analysis.logs import read_log
from callbacks.progress import Progress


class Terminal(io.StringIO):
    """What tqdm takes for a terminal."""

    def isatty(self) -> bool:
        return True


def test_lines_where_there_is_no_terminal(learn: Any, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(80, interval=0.0)
    learn(progress)
    progress.close()
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 40
    assert re.fullmatch(
        r"80/80 steps, \d+ steps/s, 0 s left, exploring: success in \d+% of the last \d+ episodes", lines[-1]
    )
    # No promise before the first update, since everything up to it is faster than what follows.
    assert "no updates yet" in lines[0] and "no episode yet" in lines[0] and "left" not in lines[0]


def test_time_left_comes_from_the_speed_after_the_first_update(learn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The clock of a run whose ten steps without updates take 1 s each, and the rest 10 s each.
    now, progress = 0.0, Progress(80)

    def clock() -> float:
        nonlocal now
        now += 10.0 if getattr(progress, "model", None) is not None and progress.model._n_updates else 1.0
        return now

    monkeypatch.setattr("callbacks.progress.time.monotonic", clock)
    texts = []
    monkeypatch.setattr(progress, "say", texts.append)
    progress.interval = 0.0
    learn(progress)
    # A vector step is two steps: 20 of them are left, and the quick ones before the first update do not count.
    assert texts[19].startswith("40/80") and "200 s left" in texts[19], texts[19]


def test_silence_within_the_interval(learn: Any, capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(80, interval=1000.0)
    learn(progress)
    progress.close()
    assert capsys.readouterr().err == ""


def test_a_bar_on_a_terminal(learn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = Progress(80)
    monkeypatch.setattr(time, "monotonic", itertools.count(0.0, 0.3).__next__)
    learn(progress)
    progress.say("  20 steps: evaluation")
    progress.close()
    assert "80/80 steps" in screen.getvalue() and "100%" in screen.getvalue()
    assert "evaluation\n" in screen.getvalue()


def test_a_continued_run_counts_from_where_it_was(learn: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    progress = Progress(140, done=60)
    learn(progress)
    assert "60/140" in screen.getvalue()
    progress.close()


def test_closed_before_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    # Ctrl-C while everything is being set up.
    monkeypatch.setattr(sys, "stderr", screen := Terminal())
    Progress(80).close()
    assert screen.getvalue() == ""


def test_values_of_a_real_run(tmp_path: Path, learn: Any) -> None:
    learn(CallbackList([]))
    rows = read_log(tmp_path / "log.jsonl")
    assert [row["steps"] for row in rows] == [20, 40, 60, 80]
    assert rows[0]["rollout/ep_len_mean"] == 10
    assert "train/loss" in rows[1]
