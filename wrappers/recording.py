"""Remembering the action that reached the simulator."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np


class RecordAppliedAction(gym.Wrapper):
    """Keeps the last action as the simulator used it: after all other wrappers, cut to the action space.

    Stands innermost, so `env.get_wrapper_attr("applied_action")` answers from any depth. The action itself is passed
    on untouched. `applied_action`: (A,) float64, None before the first step.
    """

    def __init__(self, env: gym.Env):
        super().__init__(env)
        self.applied_action: np.ndarray | None = None

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Reset and forget the last action."""
        self.applied_action = None
        return self.env.reset(**options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step and keep the action. The Fetch tasks clip to their action space, and so does this record."""
        space = self.env.action_space
        if isinstance(space, gym.spaces.Box):
            self.applied_action = np.clip(np.asarray(action, dtype=np.float64), space.low, space.high)
        else:
            self.applied_action = np.atleast_1d(np.asarray(action, dtype=np.float64))
        return self.env.step(action)
