"""The metric log: whole lines in order, a clear word about a bad one, and patience with a kill."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.logs import evaluations, label, labels, read_log
from common.errors import UserError

TRAIN = '{"kind": "train", "steps": 100, "updates": 50, "wall_clock_s": 1.5, "train/critic_loss": 0.25}'


def test_reads_entries_in_order(tmp_path: Path, evaluation_line: Callable[..., str]) -> None:
    path = tmp_path / "a.metrics.jsonl"
    path.write_text(f"{TRAIN}\n{evaluation_line(200, 7)}\n")
    first, second = read_log(path)
    assert first["train/critic_loss"] == 0.25
    assert (second["success"]["successes"], second["success"]["n"]) == (7, 20)
    path.write_text("")
    assert read_log(path) == []


@settings(deadline=None, max_examples=60)
@given(cut=st.integers(0, len(TRAIN)))
def test_a_kill_at_any_byte_of_the_last_line_loses_that_line_alone(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.metrics.jsonl"
    path.write_text(f"{TRAIN}\n{TRAIN[:cut]}")
    # Only a line that lacks nothing but its line end is whole.
    assert len(read_log(path)) == (2 if cut == len(TRAIN) else 1)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"kind": "tra{"kind": "train"}', "delimiter"),
        ("", "Expecting value"),
        ("[1]", "a JSON object is expected"),
        ('{"steps": 1}', "'kind'"),
        ('{"kind": "train", "updates": 1, "wall_clock_s": 1}', "'steps'"),
        ('{"kind": "train", "steps": -1, "updates": 1, "wall_clock_s": 1}', "'steps'"),
        ('{"kind": "train", "steps": 1.5, "updates": 1, "wall_clock_s": 1}', "'steps'"),
        ('{"kind": "train", "steps": 1, "updates": true, "wall_clock_s": 1}', "'updates'"),
        ('{"kind": "train", "steps": 1, "updates": 1, "wall_clock_s": NaN}', "NaN"),
        ('{"kind": "evaluation", "steps": 1, "updates": 1, "wall_clock_s": 1}', "'success'"),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, bad: str, reason: str) -> None:
    path = tmp_path / "a.metrics.jsonl"
    path.write_text(f"{TRAIN}\n{bad}\n{TRAIN}\n")
    with pytest.raises(UserError, match="line 2: ") as caught:
        read_log(path)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_an_evaluation_needs_both_rates_with_their_intervals(
    tmp_path: Path, evaluation_line: Callable[..., str]
) -> None:
    entry = json.loads(evaluation_line(1, 1))
    del entry["success_net"]["low"]
    (tmp_path / "a.jsonl").write_text(json.dumps(entry) + "\n")
    with pytest.raises(UserError, match="line 1: 'success_net' is no rate with n and interval"):
        read_log(tmp_path / "a.jsonl")


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist"):
        read_log(tmp_path / "nothing.jsonl")
    with pytest.raises(UserError, match="cannot read"):
        read_log(tmp_path)
    (tmp_path / "report.json").write_text('{\n  "kind": "data"\n}\n')
    with pytest.raises(UserError, match="line 1.*metrics.jsonl of a run"):
        read_log(tmp_path / "report.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\n\x00\n")
    with pytest.raises(UserError, match="line 1"):
        read_log(tmp_path / "binary")


def test_a_continued_run_counts_a_step_once(tmp_path: Path, evaluation_line: Callable[..., str]) -> None:
    lines = [evaluation_line(100, 1), evaluation_line(200, 2), evaluation_line(300, 3), TRAIN]
    # Killed after 300, continued from the checkpoint at 150.
    lines += [evaluation_line(200, 12), evaluation_line(300, 13), evaluation_line(400, 14)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines) + "\n")
    found = evaluations(read_log(tmp_path / "a.jsonl"))
    assert [(e.steps, e.success.successes) for e in found] == [(100, 1), (200, 12), (300, 13), (400, 14)]


def test_more_keys_in_an_evaluation_do_no_harm(evaluation_line: Callable[..., str]) -> None:
    entry = json.loads(evaluation_line(100, 5)) | {"final_distance": 0.1}
    assert evaluations([entry])[0].success.successes == 5


def test_labels_are_short_and_all_different() -> None:
    assert [label(name) for name in ("a/b.metrics.jsonl", "b.json", "c.meta.json", "d.txt", "sac-v4.1")] == [
        "b", "b", "c", "d.txt", "sac-v4.1",
    ]  # fmt: skip
    assert labels(["x/a.json", "x/b.json"]) == ["a", "b"]
    assert labels(["x/a.json", "y/a.json"]) == ["x/a", "y/a"]
    assert labels(["x/a.json", "x/a.json"]) == ["x/a (1)", "x/a (2)"]
