"""What a run reached: finished, unfinished, and several seeds together."""

from __future__ import annotations

from typing import Any

import pytest

from analysis import sweeps
from analysis.metrics import rate
from analysis.reports import Evaluation, TrainMeta
from analysis.runs import curve, middle, progress, together
from common import provenance


def meta(status: str = "running", successes: tuple[int, ...] = (10, 19, 20, 20), **more: Any) -> TrainMeta:
    """A run of seed 4 that was evaluated on 20 episodes every 100 steps, with so many successes."""
    evaluations = [
        Evaluation(steps=100 * k, updates=50 * k, wall_clock_s=6.0 * k, success=rate([i < n for i in range(20)]),
                   success_net=rate([i < n for i in range(20)]))
        for k, n in enumerate(successes, 1)
    ]  # fmt: skip
    common = provenance.metadata({}, status=status, seeds=[4], steps_per_second=50.0)
    return TrainMeta(
        **common, sources={}, recipe=None, total_steps=1000, steps=400, updates=200, resumed=1, message=None,
        weights_sha256=None, evaluations=evaluations, **more,
    )  # fmt: skip


def test_progress_of_an_unfinished_run() -> None:
    found = progress(meta())
    assert found == {
        "seed": 4, "steps": 400, "updates": 200, "training_s": 8.0,
        "steps_to_95": 200, "updates_to_95": 100, "minutes_to_95": 0.2,
    }  # fmt: skip
    assert [row["steps"] for row in curve(meta())] == [100, 200, 300, 400]


def test_a_run_that_never_crossed() -> None:
    found = progress(meta(successes=(20, 10, 20)).model_copy(update={"steps_per_second": None}))
    assert found["steps_to_95"] is found["updates_to_95"] is found["minutes_to_95"] is found["training_s"] is None


def test_the_median_counts_a_seed_that_never_crossed_as_last() -> None:
    assert middle([3000, None, 5000]) == 5000
    assert middle([3000, None, None]) is None
    assert middle([1.0, 2.0, 3.0, None]) == 2.5


def row(seed: int, successes: int, status: str = "finished") -> dict[str, Any]:
    """A row of a sweep's report over 20 episodes."""
    share = rate([k < successes for k in range(20)]).model_dump() if status == "finished" else None
    run = meta(status if status == "finished" else "running")
    return sweeps.row_of("a", seed, status, run, None) | {"success": share, "success_net": share}


def test_seeds_together() -> None:
    found = together([row(0, 20), row(1, 18)])
    assert found["median_steps_to_95"] == 200 and found["success_across_seeds"]["mean"] == pytest.approx(0.95)
    assert found["success_across_seeds"]["method"] == "t"


def test_a_report_of_a_sweep() -> None:
    """What is not finished is shown with its steps, has no success, and enters no mean."""
    rows = [row(0, 20), row(1, 18), row(2, 0, "failed"), sweeps.row_of("b", 0, "waiting", None, None)]
    variants = sweeps.variants_of(rows, {"a": {"gamma": 0.9}, "b": {}})
    assert variants[0]["seeds"] == [0, 1, 2] and variants[0]["finished_seeds"] == [0, 1]
    assert "median_steps_to_95" not in variants[1]
    lines = sweeps.rows_text(rows).splitlines()
    assert len(lines) == 5 and "18 of 20 = 90.0% [69.9, 97.2]" in lines[2]
    assert "400 of 1,000" in lines[3] and "%" not in lines[3] and "%" not in lines[4]
    # Aligned: the last column that every row has begins at one place.
    assert len({line.index(cell) for line, cell in zip(lines[1:3], ("20 of 20", "18 of 20"), strict=True)}) == 1
    first, second = sweeps.variants_text(rows, variants).splitlines()
    assert "2 of 3 seeds finished; mean of 2 training seeds, 40 episodes: 95.0% [" in first
    assert second == "b: 0 of 1 seeds finished"
    assert sweeps.status_of(rows) == "running" and sweeps.status_of(rows[:3]) == "failed"
    assert sweeps.status_of(rows[:2]) == "finished"
