"""Two runs side by side: the tolerance decides, and runs without a hash are not equal."""

from __future__ import annotations

from types import SimpleNamespace as Bag
from typing import Any

import pytest

from analysis.metrics import rate
from analysis.repro import compared, verdict

SETTINGS = {"env": "FetchReachDense-v4", "seed": 0, "tolerance_success": 0.05, "tolerance_distance": 0.01}


def fake(successes: int, distance: float, weights: str | None) -> tuple[Any, Any]:
    """What `compared` reads of a run and of its evaluation over 20 episodes."""
    meta = Bag(weights_sha256=weights, device="cpu", n_envs=1, steps_per_second=None, updates_per_second=None)
    success = rate([k < successes for k in range(20)])
    return meta, Bag(aggregate=Bag(success=success, final_distance=Bag(mean=distance)), evaluation_protocol="test")


@pytest.mark.parametrize(
    ("second", "status", "words"),
    [
        ((20, 0.02, "a"), 0, "equal bit for bit"),
        ((19, 0.025, "b"), 0, "within tolerance"),
        ((17, 0.02, "b"), 1, "NOT reproducible: other weights"),
        ((20, 0.04, "b"), 1, "NOT reproducible: other weights"),
        ((20, 0.04, "a"), 1, "same weights, and evaluations that differ"),
    ],
)
def test_the_tolerance_decides(second: tuple[int, float, str], status: int, words: str) -> None:
    metas, evaluations = zip(fake(20, 0.02, "a"), fake(*second), strict=True)
    got, meaning = verdict(compared(SETTINGS, metas, evaluations, 1.0))
    assert got == status and words in meaning


def test_runs_without_a_hash_are_not_called_equal() -> None:
    metas, evaluations = zip(fake(20, 0.02, None), fake(20, 0.02, None), strict=True)
    assert not compared(SETTINGS, metas, evaluations, 1.0).weights_equal
