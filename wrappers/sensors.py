"""What is measured of an observation, and in which units: the part that every perturbation of a sensor shares.

A goal-conditioned observation holds measurements (`observation` and `achieved_goal`) and a command (`desired_goal`).
On the Fetch tasks `achieved_goal` is a copy of three numbers of `observation`. A perturbation that left that copy
alone would measure nothing: the policy would read the clean one. So whatever happens to `observation` happens to the
copy, and the command stays as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import gymnasium as gym
import numpy as np

from wrappers.seeded import SeededWrapper

# Standard deviations relative to that of a tracked object's position, by group of entries of the observation of the
# Fetch tasks. Joint encoders are ten times better than a camera that tracks a block. An angle of the block is the
# position error of its edges over half an edge (25 mm), in rad. A velocity is the difference of two measurements one
# step apart, hence √2 (per step). What the task derives is derived here too: the object relative to the gripper is
# measured object minus measured gripper.
ENCODER, TRACKED, HALF_EDGE_M = 0.1, 1.0, 0.025
ANGLE, RATE = TRACKED / HALF_EDGE_M, np.sqrt(2.0)
GROUPS = {
    "gripper position (m)": ENCODER, "object position (m)": TRACKED, "finger widths (m)": ENCODER,
    "object angles (rad)": ANGLE, "object velocity (m/step)": RATE * TRACKED,
    "object angular velocity (rad/step)": RATE * ANGLE, "gripper velocity (m/step)": RATE * ENCODER,
    "finger velocities (m/step)": RATE * ENCODER,
}  # fmt: skip


# Where the entries of a group begin and end, for observations of 10 and of 25 numbers; the object relative to the
# gripper, 6 to 8 of 25, is derived.
PARTS: dict[int, dict[str, tuple[int, int]]] = {
    10: {"gripper": (0, 3), "fingers": (3, 5), "gripper_velocity": (5, 8), "finger_velocity": (8, 10)},
    25: {"gripper": (0, 3), "object": (3, 6), "fingers": (9, 11), "angles": (11, 14), "velocity": (14, 17),
         "angular_velocity": (17, 20), "gripper_velocity": (20, 23), "finger_velocity": (23, 25)},
}  # fmt: skip


def sensor_matrix(size: int, only: str = "") -> np.ndarray:
    """S (O, O): entries' errors are S e with e ~ N(0, σ²) independent, for the Fetch observations of 10 and 25 numbers.

    `only`: the part of `PARTS` that errs, by itself. Raises `ValueError` on another size or part.
    """
    grip, block, width, angle, moved, turned, grip_rate, width_rate = GROUPS.values()
    if size not in PARTS:
        raise ValueError("scale=sensor knows the Fetch tasks' observations; use scale=unit.")
    if only and only not in PARTS[size]:
        raise ValueError(f"only must be one of {', '.join(PARTS[size])}.")
    if size == 10:
        matrix = np.diag([*[grip] * 3, *[width] * 2, *[grip_rate] * 3, *[width_rate] * 2])
    else:
        matrix = np.diag([*[grip] * 3, *[block] * 3, *[0.0] * 3, *[width] * 2, *[angle] * 3, *[moved] * 3,
                          *[turned] * 3, *[grip_rate] * 3, *[width_rate] * 2])  # fmt: skip
        for axis in range(3):
            # Relative position: object minus gripper. Relative velocity: object's minus gripper's.
            matrix[6 + axis, 3 + axis], matrix[6 + axis, axis] = block, -grip
            matrix[14 + axis, 20 + axis] = -grip_rate
    if only:
        begin, end = PARTS[size][only]
        matrix[:, :begin] = matrix[:, end:] = 0.0
    return matrix


class SensorWrapper(SeededWrapper, ABC):
    """Base of perturbations of what is measured: a subclass turns true measurements into seen ones (`measure`)."""

    def __init__(self, env: gym.Env):
        super().__init__(env)
        spaces = getattr(env.observation_space, "spaces", {"observation": env.observation_space})
        if any(not isinstance(box, gym.spaces.Box) or box.dtype.kind != "f" for box in spaces.values()):
            raise ValueError("it needs observations of floating-point numbers.")
        goal = spaces["achieved_goal"].shape if "achieved_goal" in spaces else (0,)
        self.sizes = int(np.prod(spaces["observation"].shape)), int(np.prod(goal))
        # Where in `observation` the achieved goal stands; and whether it is the truth, kept for hindsight alone.
        self._copy: int | None = None
        self._goal_is_true = False

    def start(self, true: np.ndarray) -> None:
        """An episode begins with the measurements `true` (O + G,), float64: forget the last one."""

    @abstractmethod
    def measure(self, true: np.ndarray) -> np.ndarray:
        """What is seen (O + G,) where `true` (O + G,), observation and achieved goal in a row, is the case."""

    def begin(self, observation: Any) -> Any:
        """The first observation is measured, too."""
        if isinstance(observation, dict):
            self._copy = place_of(observation["observation"].reshape(-1), observation["achieved_goal"].reshape(-1))
            self._goal_is_true = self.measured_goal_at() is not None
        self.start(self._flat(observation))
        return self._seen(observation)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and measure."""
        observation, *rest = self.env.step(action)
        return self._seen(observation), *rest

    def measured_goal_at(self) -> int | None:
        """Where in `observation` the achieved goal is measured, if `achieved_goal` is kept true (`obs_noise`)."""
        inner = self.env
        return inner.get_wrapper_attr("measured_goal_at")() if inner.has_wrapper_attr("measured_goal_at") else None

    @staticmethod
    def _flat(observation: Any) -> np.ndarray:
        parts = [observation] if not isinstance(observation, dict) else [observation["observation"],
                                                                         observation["achieved_goal"]]  # fmt: skip
        return np.concatenate([part.reshape(-1) for part in parts]).astype(np.float64)

    def _seen(self, observation: Any) -> Any:
        seen, size = self.measure(self._flat(observation)), self.sizes[0]
        if not isinstance(observation, dict):
            return seen.reshape(observation.shape).astype(observation.dtype)
        measured, goal = seen[:size], seen[size:]
        if self._goal_is_true:
            goal = observation["achieved_goal"]
        elif self._copy is not None:
            goal = measured[self._copy : self._copy + len(goal)]
        return observation | {
            key: value.reshape(observation[key].shape).astype(observation[key].dtype)
            for key, value in (("observation", measured), ("achieved_goal", goal))
        }


def place_of(whole: np.ndarray, part: np.ndarray) -> int | None:
    """Index at which `part` (G,) stands in `whole` (O,), number for number; None where it does not."""
    starts = range(len(whole) - len(part) + 1)
    return next((i for i in starts if np.array_equal(whole[i : i + len(part)], part)), None)
