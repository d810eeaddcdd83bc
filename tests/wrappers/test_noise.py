"""Noise on what is measured: its size, the same in every copy, and none on the command and the truth."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from agents.controllers import ZeroPolicy
from analysis.metrics import episode_metrics
from envs.make import register
from envs.rollout import run_episode
from envs.task import Task
from tests.contract import tiny


@pytest.fixture(autouse=True)
def registered() -> None:
    register()
    tiny.register()


@pytest.mark.parametrize(("env_id", "copy"), [("FetchReach-v4", 0), ("FetchPush-v4", 3)])
def test_every_copy_shows_the_same_noise(env_id: str, copy: int) -> None:
    clean, noisy = Task(env_id).make(), Task(env_id, ("obs_noise:std=0.02",)).make()
    with contextlib.closing(clean), contextlib.closing(noisy):
        errors = []
        for seed in range(3):
            pair = [env.reset(seed=seed)[0] for env in (clean, noisy)]
            for _ in range(20):
                true, seen = pair
                assert np.array_equal(true["desired_goal"], seen["desired_goal"])
                errors.append(seen["observation"] - true["observation"])
                goal_error = seen["achieved_goal"] - true["achieved_goal"]
                np.testing.assert_allclose(errors[-1][copy : copy + 3], goal_error, atol=1e-12)
                action = clean.action_space.sample()
                pair = [env.step(action)[0] for env in (clean, noisy)]
    errors = np.array(errors)
    # No entry is clean, and none is a copy of another.
    assert np.all(abs(errors.std(0) / 0.02 - 1) < 0.4)
    correlations = np.corrcoef(errors.T) - np.eye(errors.shape[1])
    assert abs(correlations).max() < 0.55


def test_metrics_are_of_the_truth() -> None:
    """An idle policy's gripper sags by 4 mm, whatever the noise on its position says."""
    found = []
    for wrappers in ((), ("obs_noise:std=0.02",)):
        with contextlib.closing(Task("FetchPush-v4", wrappers).make()) as env:
            found.append([episode_metrics(run_episode(ZeroPolicy(env), env, seed)) for seed in (0, 10)])
    assert found[0] == found[1]
    assert all(0.003 < episode.path_length < 0.005 for episode in found[1])
    # Seed 10 begins solved.
    assert [episode.solved_at_reset for episode in found[1]] == [False, True]


def test_flat_observations_too() -> None:
    with contextlib.closing(Task("TinyFlat-v0", ("obs_noise:std=0.5",)).make()) as env:
        assert env.reset(seed=0)[0].std() > 0.1
