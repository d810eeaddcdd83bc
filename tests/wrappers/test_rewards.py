"""A constant on every reward: the steps', the relabelled ones', and nothing else."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from common.errors import UserError
from envs.rollout import run_episode
from envs.task import Task
from wrappers.hindsight import check_relabelling

SHIFTED = Task("FetchReach-v4", wrappers=("reward_shift:by=1",))


def test_a_step_and_a_relabelled_step_get_the_same_constant() -> None:
    plain, moved = Task("FetchReach-v4").make(), SHIFTED.make()
    for env in (plain, moved):
        env.reset(seed=3)
    for action in np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype(np.float32):
        (a, r, *_, info), (b, q, *_) = plain.step(action), moved.step(action)
        assert q == r + 1 and all(np.array_equal(a[key], b[key]) for key in a)
    goals = np.random.default_rng(1).normal(a["achieved_goal"], 0.03, (20, 3))
    achieved = np.repeat(a["achieved_goal"][None], 20, axis=0)
    ours = moved.get_wrapper_attr("compute_reward")(achieved, goals, info)
    assert np.array_equal(ours, plain.get_wrapper_attr("compute_reward")(achieved, goals, info) + 1)
    assert set(ours) == {0.0, 1.0}
    check_relabelling(moved)


def test_the_return_of_an_episode_is_the_tasks_own() -> None:
    policy = SimpleNamespace(predict=lambda observation, deterministic: (np.zeros(4, np.float32), None))
    trace = run_episode(policy, SHIFTED.make(), seed=3)
    assert np.array_equal(trace.rewards, trace.successes - 1.0)


def test_a_constant_that_is_no_number_is_refused() -> None:
    with pytest.raises(UserError, match="reward_shift"):
        Task("FetchReach-v4", wrappers=("reward_shift:by=inf",)).make()
