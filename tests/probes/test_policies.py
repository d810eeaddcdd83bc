"""Rungs 4 and 5: what an actor must know. Judged by the share of held-out episodes in which the action met the goal.

Margins when written: seeds 1 to 8 of every learner met all goals (8 of 8, rate 1.0). The broken ones met 0.6 of them
at most, with all 8 seeds.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.probes import environments as rungs
from tests.probes.learners import LEARNERS, judge, train


def met(backend: str, algo: str, env_id: str, **changes: Any) -> float:
    """Share of episodes whose goal was met. PPO gets more steps than for values, since it uses each but once."""
    if algo == "ppo":
        changes = {"total_steps": 4096} | changes
    rate = judge(train(backend, algo, env_id, **changes), env_id).success.rate
    assert rate is not None
    return rate


@pytest.mark.parametrize(("backend", "algo"), LEARNERS)
def test_goal_reaches_the_policy(backend: str, algo: str) -> None:
    assert met(backend, algo, rungs.ACTION_IS_GOAL) > 0.9


@pytest.mark.parametrize(("backend", "algo"), LEARNERS)
def test_credit_reaches_the_action_before(backend: str, algo: str) -> None:
    assert met(backend, algo, rungs.FIRST_ACTION_IS_GOAL) > 0.9


@pytest.mark.parametrize("algo", ["ppo", "sac", "td3"])
def test_a_hidden_goal_is_noticed(algo: str) -> None:
    """The probe can fail: without the goal, the best action meets the more frequent of two goals."""
    assert met("sb3", algo, rungs.ACTION_IS_GOAL_HIDDEN) < 0.75


@pytest.mark.parametrize("algo", ["sac", "td3"])
def test_a_learner_that_sees_one_step_only_is_noticed(algo: str) -> None:
    """The probe can fail: with a discount of 0 no later reward counts."""
    assert met("sb3", algo, rungs.FIRST_ACTION_IS_GOAL, gamma=0.0) < 0.75
