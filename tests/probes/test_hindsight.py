"""Rungs 6 and 7: sparse goals, which hindsight reaches and a learner without it does not, in the same number of steps.

Margins when written, seeds 1 to 8 of every learner. The point: 1.0 with hindsight, by all strategies (8 of 8 seeds
each), 0.1 at most without. BitFlip: 0.85 and more with it (8 of 8), 0.12 at most without. The broken one: 0.12 at most.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.probes import environments as rungs
from tests.probes.learners import OFF_POLICY, judge, train

POINT = {"gamma": 0.9, "gradient_steps": 4}
BITS = POINT | {"total_steps": 1600, "net_arch": (64, 64)}
# With its usual noise TD3 stays on the bits it began with: 0.57 with one seed of 8.
BITS_TD3 = BITS | {"total_steps": 2000, "action_noise": 0.3}
# Shares of 40 episodes, far from what was measured on either side.
SOLVED, UNSOLVED = 0.75, 0.25


def reached(backend: str, algo: str, env_id: str, her: bool, **changes: Any) -> float:
    """Share of episodes that end at the goal; for BitFlip, that meet it (see there)."""
    rates = judge(train(backend, algo, env_id, her=her, **changes), env_id)
    rate = rates.success_any.rate if env_id == rungs.BIT_FLIP else rates.success.rate
    assert rate is not None
    return rate


@pytest.mark.parametrize(("backend", "algo"), OFF_POLICY)
def test_point_is_reached_with_hindsight(backend: str, algo: str) -> None:
    assert reached(backend, algo, rungs.POINT_REACH, True, **POINT) >= SOLVED


@pytest.mark.parametrize(("backend", "algo"), [pair for pair in OFF_POLICY if pair[1] == "sac"])
@pytest.mark.parametrize("strategy", ["final", "episode"])
def test_point_is_reached_with_every_strategy(backend: str, algo: str, strategy: str) -> None:
    changes = POINT | {"her_goal_selection_strategy": strategy}
    assert reached(backend, algo, rungs.POINT_REACH, True, **changes) >= SOLVED


@pytest.mark.parametrize(("backend", "algo"), OFF_POLICY)
def test_point_is_not_reached_without(backend: str, algo: str) -> None:
    assert reached(backend, algo, rungs.POINT_REACH, False, **POINT) <= UNSOLVED


@pytest.mark.parametrize(("backend", "algo"), OFF_POLICY)
def test_bits_are_flipped_with_hindsight(backend: str, algo: str) -> None:
    assert reached(backend, algo, rungs.BIT_FLIP, True, **(BITS_TD3 if algo == "td3" else BITS)) >= SOLVED


@pytest.mark.parametrize(("backend", "algo"), [pair for pair in OFF_POLICY if pair[1] == "sac"])
def test_bits_are_not_flipped_without(backend: str, algo: str) -> None:
    assert reached(backend, algo, rungs.BIT_FLIP, False, **BITS) <= UNSOLVED


def test_hindsight_without_recomputed_rewards_is_noticed() -> None:
    """The probe can fail: relabelled transitions keep the reward of failure. (Relabelling off: see above.)"""
    assert reached("sb3", "sac", rungs.POINT_REACH_UNJUDGED, True, **POINT) <= UNSOLVED
