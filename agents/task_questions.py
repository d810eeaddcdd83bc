"""What our learner asks of a task beyond Gymnasium's interface, through the first of its environments.

A worker process would not survive being asked for what it does not have, so it is asked first whether it has it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from common.errors import TrainingFailure, UserError


def reward_of(env: VecEnv) -> Any:
    """The task's own vectorised reward."""

    def compute_reward(achieved: np.ndarray, desired: np.ndarray, info: Any) -> np.ndarray:
        return env.env_method("compute_reward", achieved, desired, info, indices=[0])[0]

    return compute_reward


def tensor_reward_of(env: VecEnv) -> Any:
    """The same for tensors; None where it has none."""
    try:
        return env.env_method("tensor_reward", indices=[0])[0] if env.has_attr("tensor_reward") else None
    except TrainingFailure:
        return None


def measured_goal_of(env: VecEnv) -> int | None:
    """Where in the observation networks must read the achieved goal, because its own key holds the truth; or None."""
    return env.env_method("measured_goal_at", indices=[0])[0] if env.has_attr("measured_goal_at") else None


def reflection_of(env: VecEnv, method: str = "reflection") -> Any:
    """The task in a mirror, as its `method` says. Raises `UserError` where it does not know."""
    try:
        return env.env_method(method, indices=[0])[0]
    except (AttributeError, EOFError, TrainingFailure) as error:
        if isinstance(error.__cause__, UserError):
            raise error.__cause__ from None
        raise UserError("--mirror True needs a task that says what it is in a mirror, as the Fetch tasks do.") from None
