"""What a learner asks a wrapped task beside `reset` and `step`: rewards of other goals, and its mirror image.

Hindsight gives a transition another goal and computes the reward again. Where a wrapper changes rewards, the new ones
must go through it as the old ones did, whoever asks: our replay, Stable-Baselines3's, or the replay on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np

from common.errors import UserError
from wrappers.recording import recorder_of


def layers(env: gym.Env) -> Iterator[gym.Env]:
    """`env` and everything inside it, outermost first."""
    while isinstance(env, gym.Wrapper):
        yield env
        env = env.env
    yield env


class AskThroughWrappers(gym.Wrapper):
    """Stands outermost around a task with wrappers, and answers for all of them."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> np.ndarray:
        """The task's `compute_reward`, or the outermost wrapper's that has one, and then each `RewardWrapper` outside.

        Goals (…, G) to rewards (…). Raises `AttributeError` on a task without goals.
        """
        outside: list[gym.RewardWrapper] = []
        for layer in layers(self.env):
            if hasattr(layer, "compute_reward"):
                rewards = layer.compute_reward(achieved, desired, info)
                for wrapper in reversed(outside):
                    rewards = np.vectorize(wrapper.reward, otypes=[np.float32])(rewards)
                return rewards
            if isinstance(layer, gym.RewardWrapper):
                outside.append(layer)
        raise AttributeError("this task cannot compute rewards of other goals")

    def tensor_reward(self) -> Any:
        """The reward for tensors of whichever layer decides rewards; None where it has none but for arrays."""
        for layer in layers(self.env):
            if hasattr(layer, "tensor_reward"):
                return layer.tensor_reward()
            if hasattr(layer, "compute_reward") or isinstance(layer, gym.RewardWrapper):
                return None
        return None

    def reflection(self) -> Any:
        """The task's mirror image. Raises `UserError` where a wrapper changed the spaces that it speaks of."""
        task = self.unwrapped
        for name in ("observation_space", "action_space"):
            if getattr(self, name) != getattr(task, name):
                raise UserError(f"--mirror True does not fit: a wrapper changes the {name.replace('_', ' ')}.")
        if not hasattr(task, "reflection"):
            raise AttributeError("this task does not say what it is in a mirror")
        return task.reflection()


def check_relabelling(env: gym.Env, steps: int = 20) -> None:
    """Raise `UserError` where a wrapper changes rewards in `step` alone, so that relabelled ones would miss the change.

    `env` (with the wrappers of `envs/make.py`) takes some random steps: their rewards must be `compute_reward`'s.
    """
    env.reset(seed=0)
    env.action_space.seed(0)
    for _ in range(steps):
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        truth = recorder_of(env).truth
        again = env.get_wrapper_attr("compute_reward")(truth.achieved_goal, truth.desired_goal, info)
        if not np.isclose(reward, again, rtol=1e-4, atol=1e-6):
            raise UserError(
                f"a wrapper changes the reward of a step ({float(again):.4g} to {float(reward):.4g}) but not what "
                "--her computes for other goals; give it a compute_reward, or make it a gymnasium.RewardWrapper."
            )
        if terminated or truncated:
            env.reset()
