"""A constant added to every reward: nothing that a policy could see, and not nothing to a learner.

With episodes that never terminate (a time limit only truncates) every value moves by the same c / (1 - γ), and no
preference between actions changes. Bounds that were written for the old rewards, such as clipped targets, do not move
along; and a network that starts at 0 starts at another place between the worst and the best value.
"""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np

from wrappers.registry import register


@register("reward_shift")
class RewardShift(gym.Wrapper):
    """Adds `by` to the reward of each step, and to what hindsight computes for other goals. Success stays as it is."""

    def __init__(self, env: gym.Env, by: float = 1.0):
        super().__init__(env)
        if not math.isfinite(by):
            raise ValueError("by must be a finite number.")
        self.by = by

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step; r' = r + c."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, float(reward) + self.by, terminated, truncated, info

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> np.ndarray:
        """R'(a, g) = R(a, g) + c: a relabelled transition has the same constant. Goals (…, G) to rewards (…)."""
        return np.asarray(self.env.get_wrapper_attr("compute_reward")(achieved, desired, info)) + self.by
