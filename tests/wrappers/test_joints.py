"""The arm's joints in the record of an episode: seven angles, as the simulator has them, and none of another robot."""

from __future__ import annotations

import contextlib

import gymnasium as gym
import numpy as np

from envs.make import make_env
from envs.rollout import run_episode
from wrappers.joints import ARM, arm_angles


class Sideways:
    """Goes left."""

    def predict(self, observation: object, deterministic: bool = True) -> tuple[np.ndarray, None]:
        return np.array([0, 1, 0, 0], np.float32), None


def test_a_trace_holds_the_angles_after_each_step() -> None:
    with contextlib.closing(make_env("FetchReach-v4")) as env:
        trace = run_episode(Sideways(), env, 0)
        assert trace.arm_angles.shape == (len(trace.rewards) + 1, len(ARM))
        data = env.unwrapped.data
        assert list(trace.arm_angles[-1]) == [float(data.joint(name).qpos[0]) for name in ARM]
        # To the left the shoulder turns, and the wrist turns back.
        assert trace.arm_angles[10, 0] > trace.arm_angles[0, 0]


def test_another_robot_has_none() -> None:
    assert arm_angles(gym.make("CartPole-v1")) is None
