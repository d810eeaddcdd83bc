"""Wrappers with randomness or memory of their own, of which an episode's seed decides everything."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


def depth(env: gym.Env) -> int:
    """How many wrappers `env` consists of."""
    return 1 + depth(env.env) if isinstance(env, gym.Wrapper) else 0


class SeededWrapper(gym.Wrapper):
    """Has a `generator` that `reset(seed=…)` seeds; resets without a seed go on with it, as environments do.

    Its stream is neither the environment's, which draws the goal, nor that of another wrapper of the same stack.
    """

    def __init__(self, env: gym.Env):
        super().__init__(env)
        self._stream = 2 + depth(env)
        self.generator = np.random.default_rng([0, self._stream])

    def begin(self, observation: Any) -> Any:
        """Called at each reset, with `generator` ready; returns what the policy sees."""
        return observation

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset; with a seed, everything in the episode follows from it."""
        observation, info = self.env.reset(seed=seed, options=options)
        if seed is not None:
            self.generator = np.random.default_rng([seed, self._stream])
        return self.begin(observation), info
