"""Remembering the action that reached the simulator."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class RecordAppliedAction(gym.Wrapper):
    """Keeps the last action as the simulator used it: after all other wrappers, cut to the action space.

    Stands innermost, so `env.get_wrapper_attr("applied_action")` answers from any depth. The action itself is passed
    on untouched.
    """

    def __init__(self, env: gym.Env):
        super().__init__(env)
        self._action: np.ndarray | None = None

    @property
    def applied_action(self) -> np.ndarray | None:
        """(A,) float64, clipped as the Fetch tasks clip; None before the first step of an episode."""
        if self._action is None:
            return None
        space = self.env.action_space
        if isinstance(space, gym.spaces.Box):
            return np.clip(self._action, space.low, space.high)
        return np.atleast_1d(self._action)

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Reset and forget the last action."""
        self._action = None
        return self.env.reset(**options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step and keep a copy of the action; clipping waits until somebody asks, since training never does."""
        self._action = np.array(action, dtype=np.float64)
        return self.env.step(action)
