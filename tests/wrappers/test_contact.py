"""The force on the object: nothing while nothing touches, all of the grip while it is held, never the table."""

from __future__ import annotations

import contextlib

import gymnasium as gym
import numpy as np

from agents.scripted import PickAndPlace
from envs.make import make_env
from envs.rollout import run_episode
from wrappers.contact import object_force
from wrappers.recording import recorder_of


def test_a_grasp_is_felt_and_the_table_is_not() -> None:
    with contextlib.closing(make_env("FetchPickAndPlace-v4")) as env:
        trace = run_episode(PickAndPlace(env), env, 3)
        # The block lies on the table from the beginning, and the gripper needs some steps to come down.
        assert trace.object_forces.shape == (len(trace.rewards),) and not trace.object_forces[:4].any()
        assert trace.successes[-1] and (trace.object_forces[-10:] > 0).all()
        env.reset(seed=3)
        assert recorder_of(env).object_force == 0


def test_no_object_no_force() -> None:
    with contextlib.closing(make_env("FetchReach-v4")) as env:
        assert object_force(env) is None
        assert run_episode(PickZero(), env, 0).object_forces is None
    assert object_force(gym.make("CartPole-v1")) is None


class PickZero:
    """Does nothing."""

    def predict(self, observation: object, deterministic: bool = True) -> tuple[np.ndarray, None]:
        return np.zeros(4, np.float32), None


def test_looking_changes_nothing() -> None:
    with contextlib.closing(make_env("FetchPush-v4")) as env:
        rng, runs = np.random.default_rng(0), []
        actions = rng.uniform(-1, 1, (30, 4)).astype(np.float32)
        for look in (False, True):
            env.reset(seed=2)
            for action in actions:
                seen, *_ = env.step(action)
                if look:
                    assert recorder_of(env).object_force >= 0
            runs.append(seen["observation"])
        np.testing.assert_array_equal(*runs)
