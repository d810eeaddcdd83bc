"""Noise on what a policy measures."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np

from wrappers.registry import register
from wrappers.seeded import SeededWrapper


@register("obs_noise")
class ObservationNoise(SeededWrapper):
    """White noise ε ~ N(0, std²) on everything measured, each number in its own unit (m, m/step, rad).

    On a task with goals `observation` and `achieved_goal` are measured, and where the one holds a copy of the other
    both show the same noise: a clean or an independent copy would give the noise away. The desired goal is a command
    and stays as it is. Rewards and success are the simulator's.
    """

    def __init__(self, env: gym.Env, std: float = 0.01):
        super().__init__(env)
        if not 0 <= std < math.inf:
            raise ValueError("std must not be negative.")
        spaces = getattr(env.observation_space, "spaces", {"observation": env.observation_space})
        if any(not isinstance(box, gym.spaces.Box) or box.dtype.kind != "f" for box in spaces.values()):
            raise ValueError("obs_noise needs observations of floating-point numbers.")
        self.std = std
        # Where in `observation` the achieved goal stands.
        self._copy: int | None = None

    def begin(self, observation: Any) -> Any:
        """Noise on the first observation, too."""
        if isinstance(observation, dict):
            self._copy = _place_of(observation["observation"].reshape(-1), observation["achieved_goal"].reshape(-1))
        return self._noisy(observation)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and measure with noise."""
        observation, *rest = self.env.step(action)
        return self._noisy(observation), *rest

    def _noisy(self, seen: Any) -> Any:
        if not isinstance(seen, dict):
            return (seen + self.generator.normal(0.0, self.std, seen.shape)).astype(seen.dtype)
        true, goal = seen["observation"], seen["achieved_goal"]
        noise = self.generator.normal(0.0, self.std, true.size)
        # Drawn in any case, so that a stream does not depend on the task's layout.
        goal_noise = self.generator.normal(0.0, self.std, goal.size)
        if self._copy is not None:
            goal_noise = noise[self._copy : self._copy + goal.size]
        return seen | {
            "observation": (true + noise.reshape(true.shape)).astype(true.dtype),
            "achieved_goal": (goal + goal_noise.reshape(goal.shape)).astype(goal.dtype),
        }


def _place_of(whole: np.ndarray, part: np.ndarray) -> int | None:
    """Index at which `part` (G,) stands in `whole` (O,), number for number; None where it does not."""
    starts = range(len(whole) - len(part) + 1)
    return next((i for i in starts if np.array_equal(whole[i : i + len(part)], part)), None)
