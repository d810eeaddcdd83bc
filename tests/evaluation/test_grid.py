"""A grid of points: the episodes are eval.py's, what was done is not done again, and a mistake is told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agents.acting import acting
from analysis.metrics import Trace, episode_metrics
from common.errors import UserError
from eval import EvalConfig, evaluate
from evaluation.grid import Point, evaluate_grid

ROOT = Path(__file__).resolve().parents[2]
REACH = str(ROOT / "checkpoints/reference/FetchReach-v4.zip")
CALLS: list[int] = []


def row(trace: Trace) -> dict[str, Any]:
    CALLS.append(trace.seed)
    return episode_metrics(trace).model_dump(exclude={"seed"})


def test_the_episodes_are_those_of_eval() -> None:
    points = [Point(REACH, "FetchReach-v4", ("scale:factor=0.5",)), Point("scripted", "FetchReach-v4")]
    policy, scripted = evaluate_grid(points, [3, 1], row, acting, n_envs=2)
    for found, given in ((policy, {"ckpt": REACH, "wrap": ("scale:factor=0.5",)}), (scripted, {"agent": "scripted"})):
        report = evaluate(EvalConfig(env="FetchReach-v4", seeds="3,1", **given))
        assert found.rows == [episode.model_dump() for episode in report.episodes]
        assert found.checkpoint_sha256 == report.checkpoint_sha256


def test_what_was_kept_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    points = [Point("zero", "FetchReach-v4", (f"delay:steps={k}",), {"k": k}) for k in (0, 1)]
    told: list[Any] = []
    first = evaluate_grid(points[:1], [5], row, keep=tmp_path)
    again = evaluate_grid([Point("zero", "FetchReach-v4", ("delay:steps=0",), {"name": "other"}), points[1]], [5], row,
                          keep=tmp_path, tell=told.append)  # fmt: skip
    assert CALLS == [5, 5] and told == again
    assert again[0].rows == first[0].rows and again[0].point.labels == {"name": "other"}
    # Other code may do something else with the same commit: a reader edits and runs again.
    monkeypatch.setattr("evaluation.grid.code_hash", lambda: "edited")
    evaluate_grid(points[:1], [5], row, keep=tmp_path)
    assert CALLS.pop() == 5 and CALLS == [5, 5]
    # Other seeds are other episodes, and a file that was cut short is no result.
    evaluate_grid(points[:1], [6], row, keep=tmp_path)
    assert CALLS == [5, 5, 6]
    for file in tmp_path.iterdir():
        file.write_text("{", encoding="utf-8")
    assert evaluate_grid(points[:1], [5], row, keep=tmp_path)[0].rows == first[0].rows and CALLS[-1] == 5


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (Point("scripted", "FetchSlde-v4"), "FetchSlide-v4"),
        (Point("scripted", "FetchReach-v4", ("lowpass:alpha=0",)), "alpha must lie above 0"),
        (Point(REACH, "FetchPush-v4"), "was trained on FetchReach-v4"),
        (Point("nothing.zip", "FetchReach-v4"), "nothing"),
    ],
)
def test_a_mistake_in_the_last_point_is_told_before_the_first_runs(bad: Point, says: str) -> None:
    CALLS.clear()
    with pytest.raises(UserError, match=says):
        evaluate_grid([Point("zero", "FetchReach-v4"), bad], [0], row)
    assert not CALLS


def test_nothing_to_do_is_a_mistake() -> None:
    for points, seeds in (([], [0]), ([Point("zero", "FetchReach-v4")], [])):
        with pytest.raises(UserError, match="at least one"):
            evaluate_grid(points, seeds, row)
