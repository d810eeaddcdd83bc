"""Records what happened in the simulator, whatever other wrappers do to actions, observations and rewards."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from wrappers.contact import object_force
from wrappers.joints import arm_angles


@dataclass(frozen=True)
class Truth:
    """The simulator's own state after a reset or a step; lengths in m, world frame."""

    # (G,): what counts as reached, and where it should be
    achieved_goal: np.ndarray
    desired_goal: np.ndarray
    # (3,): the gripper; on a task without one, what is achieved
    gripper: np.ndarray
    # The task's own reward and `is_success`; 0 and False after a reset.
    reward: float
    success: bool


class RecordTruth(gym.Wrapper):
    """Stands innermost, so that `env.get_wrapper_attr("truth")` and `"applied_action"` answer from any depth.

    Changes nothing. A task that can be asked for its state (`goal_state`, as the Fetch tasks have) is asked when
    somebody wants to know, so that what a wrapper moved after a reset is seen too; of any other the last observation
    is kept.
    """

    def __init__(self, env: gym.Env):
        super().__init__(env)
        self._action: np.ndarray | None = None
        self._reward, self._success = 0.0, False
        self._state = getattr(env.unwrapped, "goal_state", None)
        self._seen: tuple[np.ndarray, ...] | None = None

    @functools.cached_property
    def _force(self) -> Callable[[], float] | None:
        return object_force(self.env)

    @property
    def object_force(self) -> float | None:
        """N: how hard the robot presses on the object at the end of the step; None on a task without an object."""
        return None if self._force is None else self._force()

    @functools.cached_property
    def _angles(self) -> Callable[[], np.ndarray] | None:
        return arm_angles(self.env)

    @property
    def arm_angles(self) -> np.ndarray | None:
        """(7,) rad: the joints of a Fetch arm, from the shoulder on; None on a task with another robot."""
        return None if self._angles is None else self._angles()

    @property
    def applied_action(self) -> np.ndarray | None:
        """(A,) float64, clipped as the Fetch tasks clip; None before the first step of an episode."""
        if self._action is None:
            return None
        space = self.env.action_space
        if isinstance(space, gym.spaces.Box):
            return np.clip(self._action, space.low, space.high)
        return np.atleast_1d(self._action)

    @property
    def truth(self) -> Truth:
        """As of now. Raises `TypeError` on a task without goals, and before the first reset."""
        state = self._seen if self._state is None else self._state()
        if state is None:
            raise TypeError("there is no truth of goals before a reset, or on a task without goals")
        return Truth(*state, reward=self._reward, success=self._success)

    def _look(self, observation: Any) -> None:
        if self._state is None and isinstance(observation, dict) and "achieved_goal" in observation:
            # Copies: a wrapper may write into the observation that it is given.
            achieved, desired = (np.array(observation[key]) for key in ("achieved_goal", "desired_goal"))
            self._seen = achieved, desired, achieved

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Reset and forget the last step."""
        observation, info = self.env.reset(**options)
        self._action, self._reward, self._success = None, 0.0, False
        self._look(observation)
        return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step and keep a copy of the action; clipping waits until somebody asks, since training never does."""
        self._action = np.array(action, dtype=np.float64)
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._reward, self._success = reward, info.get("is_success", False)
        self._look(observation)
        return observation, reward, terminated, truncated, info


def recorder_of(env: gym.Env) -> RecordTruth:
    """The `RecordTruth` inside `env`. Raises `TypeError` where there is none."""
    while isinstance(env, gym.Wrapper):
        if isinstance(env, RecordTruth):
            return env
        env = env.env
    raise TypeError("nothing records this environment's truth; make it with envs.make or envs.task")
