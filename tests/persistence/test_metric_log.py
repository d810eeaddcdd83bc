"""The metrics as lines of JSON: what is written, what is kept, and who may write."""

from __future__ import annotations

import fcntl
import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from analysis.logs import evaluations, read_log
from analysis.metrics import rate
from analysis.reports import Evaluation
from common.errors import UserError
from persistence.metric_log import MetricLog, refuse_if_locked


def log(path: Path, keep: int = 0) -> MetricLog:
    return MetricLog(path, keep, lambda: 1.23456, lambda: 7)


def result(steps: int) -> Evaluation:
    return Evaluation(
        steps=steps, updates=3, wall_clock_s=1.0, success=rate([True, False]), success_net=rate([True])
    )  # fmt: skip


def test_lines_are_what_the_reader_expects(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.metrics.jsonl"
    file = log(path)
    file.write({"rollout/success_rate": 0.5, "time/fps": 100, "text": "x"}, {}, step=40)
    file.evaluation(result(40))
    file.close()
    train, evaluation = read_log(path)
    assert train == {
        "kind": "train", "steps": 40, "updates": 7, "wall_clock_s": 1.235, "rollout/success_rate": 0.5,
        "time/fps": 100.0,
    }  # fmt: skip
    assert evaluations([train, evaluation]) == [result(40)]


def test_no_nan_is_ever_written(tmp_path: Path) -> None:
    file = log(tmp_path / "a.jsonl")
    file.write({"a": float("nan"), "b": float("inf"), "c": 1}, {}, step=1)
    file.close()
    assert "NaN" not in (tmp_path / "a.jsonl").read_text()
    assert json.loads((tmp_path / "a.jsonl").read_text())["c"] == 1


def test_what_came_after_the_last_checkpoint_is_cut(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    file = log(path)
    file.write({}, {}, step=1)
    keep = file.size()
    assert keep == path.stat().st_size
    file.write({}, {}, step=2)
    file.close()
    with open(path, "ab") as half:
        half.write(b'{"kind": "tra')
    file = log(path, keep)
    file.write({}, {}, step=3)
    file.close()
    assert [line["steps"] for line in read_log(path)] == [1, 3]
    # A log that was lost or cut by somebody else is simply shorter; nothing is filled up with zeros.
    path.write_bytes(b"")
    file = log(path, keep)
    assert file.size() == 0
    file.close()


def hold(path: Path, ready: Any, done: Any) -> None:
    with open(path, "ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        ready.set()
        done.wait(30)


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "first.metrics.jsonl"
    refuse_if_locked(path)
    assert not path.exists()
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    other = context.Process(target=hold, args=(path, ready, done))
    other.start()
    assert ready.wait(30)
    with pytest.raises(UserError, match="another process is training first"):
        refuse_if_locked(path)
    with pytest.raises(UserError, match="another process is training first"):
        log(path)
    done.set()
    other.join(30)
    log(path).close()
