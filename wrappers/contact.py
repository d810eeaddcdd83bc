"""How hard the robot presses on the object: read from MuJoCo's contacts, for `RecordTruth`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

OBJECT, ROBOT = "object0", "robot0:"


def _geoms(model: mujoco.MjModel, belongs: Callable[[str], bool]) -> np.ndarray:
    """(ngeom,) bool: the geoms of the bodies whose name `belongs` accepts."""
    bodies = np.array([belongs(model.body(i).name) for i in range(model.nbody)])
    return bodies[model.geom_bodyid]


def object_force(env: gym.Env) -> Callable[[], float] | None:
    """A function that gives the force of the robot on the object now, in N; None where the task has no object.

    It is the sum of the normal forces of all contacts between the two, so that the two fingers of a grasp add up and
    do not cancel. MuJoCo keeps the contacts of the last substep of 2 ms: asked once a step, it is a sample at 25 Hz of
    a force that may have been larger in between.
    """
    task = env.unwrapped
    model, data = getattr(task, "model", None), getattr(task, "data", None)
    if not isinstance(model, mujoco.MjModel) or not isinstance(data, mujoco.MjData):
        return None
    of_object = _geoms(model, lambda name: name == OBJECT)
    of_robot = _geoms(model, lambda name: name.startswith(ROBOT))
    if not of_object.any() or not of_robot.any():
        return None
    wrench = np.zeros(6)

    def now() -> float:
        pairs: Any = data.contact.geom
        touching = (of_object[pairs] & of_robot[pairs[:, ::-1]]).any(axis=1)
        total = 0.0
        for index in np.flatnonzero(touching):
            # In the frame of the contact: the first number is the normal force, which only pushes.
            mujoco.mj_contactForce(model, data, int(index), wrench)
            total += wrench.item(0)
        return total

    return now
