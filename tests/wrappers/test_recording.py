"""The recorded action is the one that reached the simulator, and recording changes nothing."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from envs.make import make_env, register
from tests.contract import tiny
from wrappers.recording import RecordTruth


@pytest.fixture
def env() -> gym.Env:
    register()
    tiny.register()
    made = make_env("TinyReach-v0")
    yield made
    made.close()


def test_nothing_before_the_first_step(env: gym.Env) -> None:
    env.reset(seed=0)
    assert env.get_wrapper_attr("applied_action") is None
    env.step(np.zeros(2, np.float32))
    assert env.get_wrapper_attr("applied_action") is not None
    env.reset(seed=0)
    assert env.get_wrapper_attr("applied_action") is None


def test_it_is_cut_as_the_simulator_cuts(env: gym.Env) -> None:
    env.reset(seed=0)
    action = np.array([3.0, -0.25], np.float32)
    env.step(action)
    applied = env.get_wrapper_attr("applied_action")
    assert applied.dtype == np.float64
    np.testing.assert_array_equal(applied, [1.0, -0.25])
    # What went on is untouched, and what is kept is a copy.
    np.testing.assert_array_equal(action, np.array([3.0, -0.25], np.float32))
    action[:] = 0
    np.testing.assert_array_equal(env.get_wrapper_attr("applied_action"), [1.0, -0.25])


def test_discrete_actions_too() -> None:
    env = RecordTruth(gym.make("CartPole-v1"))
    env.reset(seed=0)
    env.step(1)
    np.testing.assert_array_equal(env.applied_action, [1.0])
    env.close()


def test_it_changes_no_number() -> None:
    plain, recorded = gym.make("CartPole-v1"), RecordTruth(gym.make("CartPole-v1"))
    np.testing.assert_array_equal(plain.reset(seed=3)[0], recorded.reset(seed=3)[0])
    for action in (0, 1, 1, 0):
        for a, b in zip(plain.step(action), recorded.step(action), strict=True):
            np.testing.assert_array_equal(a, b)
    plain.close()
    recorded.close()
