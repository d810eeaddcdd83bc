"""The angles of the Fetch arm's seven joints: read from MuJoCo, for `RecordTruth` and for the factors of a robot."""

from __future__ import annotations

from collections.abc import Callable

import gymnasium as gym
import mujoco
import numpy as np

# From the shoulder to the wrist.
ARM = tuple(
    f"robot0:{name}_joint"
    for name in ("shoulder_pan", "shoulder_lift", "upperarm_roll", "elbow_flex", "forearm_roll", "wrist_flex",
                 "wrist_roll")
)  # fmt: skip


def arm_angles(env: gym.Env) -> Callable[[], np.ndarray] | None:
    """A function that gives the angles of `ARM` now, (7,) in rad; None where the task has another robot."""
    task = env.unwrapped
    model, data = getattr(task, "model", None), getattr(task, "data", None)
    if not isinstance(model, mujoco.MjModel) or not isinstance(data, mujoco.MjData):
        return None
    joints = [mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name) for name in ARM]
    if -1 in joints:
        return None
    addresses = model.jnt_qposadr[joints]
    # Indexing by an array copies.
    return lambda: data.qpos[addresses]
