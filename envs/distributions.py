"""Where goals and objects of the Fetch tasks are drawn from, and what the object is like.

    python train.py --algo sac --her --env FetchPickAndPlace-v4 --env-option air_fraction=0.1
    env.unwrapped.set_distribution(Distribution(goal_range=0.05))

A task draws its goal from a box around the gripper's start and its object from a square on the table. A curriculum
narrows them; a stress test widens them, or makes the object heavier, more slippery or larger. With every field None a
task is upstream's own, to the last bit.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from common.errors import UserError


@dataclass(frozen=True)
class Distribution:
    """What is drawn at a reset. None keeps the task's own value. Raises `UserError` on a number that cannot be."""

    goal_range: float | None = None
    """Goals lie within this distance (m) of the gripper's start along x and y (Reach: along z, too)."""
    object_range: float | None = None
    """The object lies within this distance (m) of the gripper's start along x and y, at least 0.1 m away."""
    air_fraction: float | None = None
    """Probability that a goal of PickAndPlace lies above the table (upstream: 0.5)."""
    goal_height: float | None = None
    """Greatest height (m) of such a goal above the table (upstream: 0.45)."""
    object_mass: float | None = None
    """Factor on the object's mass and inertia."""
    object_friction: float | None = None
    """Factor on the sliding friction of the object, the table and the fingers (MuJoCo takes the larger of two)."""
    object_size: float | None = None
    """Factor on the object's edges; its mass stays, and it still stands on the table."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
                raise UserError(f"{field.name}={value}: a finite number of at least 0 is needed.")
            if field.name.startswith("object_") and value == 0:
                raise UserError(f"{field.name}=0: must be above 0.")
        # The object is drawn until it is 0.1 m away from the gripper: from a smaller square that would never end.
        if self.object_range is not None and self.object_range < 0.1:
            raise UserError(f"object_range={self.object_range}: must be at least 0.1, the object's least distance.")
        if self.air_fraction is not None and self.air_fraction > 1:
            raise UserError(f"air_fraction={self.air_fraction}: a probability lies between 0 and 1.")


FIELDS = tuple(field.name for field in dataclasses.fields(Distribution))
OBJECT_FIELDS = ("object_mass", "object_friction", "object_size")


class Distributed:
    """Mixed in before an upstream Fetch task: takes the fields of `Distribution` as options of its constructor."""

    def __init__(self, *arguments: Any, **options: Any):
        drawn = Distribution(**{name: options.pop(name) for name in FIELDS if name in options})
        self.distribution = Distribution()
        super().__init__(*arguments, **options)
        self._own = {"goal_range": self.target_range, "object_range": self.obj_range}
        self._nominal: dict[str, np.ndarray] | None = None
        self.set_distribution(drawn)

    def set_distribution(self, distribution: Distribution) -> None:
        """Draw from `distribution` from the next reset on. Raises `UserError` where the task has nothing to draw."""
        if not self.has_object and any(
            getattr(distribution, name) is not None for name in ("object_range", *OBJECT_FIELDS)
        ):
            raise UserError("this task has no object whose place, mass, friction or size could be drawn.")
        air = (distribution.air_fraction, distribution.goal_height)
        if not self.target_in_the_air and any(value is not None for value in air):
            raise UserError("only PickAndPlace has goals in the air.")
        before, self.distribution = self.distribution, distribution
        self.target_range = self._own["goal_range"] if distribution.goal_range is None else distribution.goal_range
        self.obj_range = self._own["object_range"] if distribution.object_range is None else distribution.object_range
        if [getattr(before, name) for name in OBJECT_FIELDS] != [getattr(distribution, name) for name in OBJECT_FIELDS]:
            self._change_object()

    def _change_object(self) -> None:
        """Write mass, friction and size of the object into this environment's own model."""
        model, new = self.model, self.distribution
        body, table = (mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, name) for name in ("object0", "table0"))
        geom = int(model.body_geomadr[body])
        touching = [geom, int(model.body_geomadr[table]), *_finger_geoms(model)]
        if self._nominal is None:
            arrays = ("body_mass", "body_inertia", "geom_friction", "geom_size", "geom_rbound", "geom_aabb")
            self._nominal = {name: getattr(model, name).copy() for name in arrays}
            self._nominal_heights = self.height_offset, self.initial_qpos.copy()
        nominal = self._nominal
        mass, size, friction = (getattr(new, name) or 1.0 for name in ("object_mass", "object_size", "object_friction"))
        model.body_mass[body] = nominal["body_mass"][body] * mass
        # I ∝ m l²
        model.body_inertia[body] = nominal["body_inertia"][body] * mass * size**2
        model.geom_friction[touching, 0] = nominal["geom_friction"][touching, 0] * friction
        # The last two are what the broad phase of collision detection reads.
        for name in ("geom_size", "geom_rbound", "geom_aabb"):
            getattr(model, name)[geom] = nominal[name][geom] * size
        # A larger object's centre, and a goal for it on the table, lie higher.
        half = nominal["geom_size"][geom, 1 if model.geom_type[geom] == mujoco.mjtGeom.mjGEOM_CYLINDER else 2]
        height, qpos = self._nominal_heights
        self.height_offset = height + (size - 1.0) * half
        self.initial_qpos = qpos.copy()
        joint = int(model.body_jntadr[body])
        self.initial_qpos[model.jnt_qposadr[joint] + 2] += (size - 1.0) * half
        mujoco.mj_setConst(model, mujoco.MjData(model))

    def _sample_goal(self) -> np.ndarray:
        """A goal (3,) in m, world frame: upstream's draws in upstream's order."""
        if not self.has_object:
            return super()._sample_goal()
        draw = self.np_random.uniform
        goal = self.initial_gripper_xpos[:3] + draw(-self.target_range, self.target_range, size=3)
        goal += self.target_offset
        goal[2] = self.height_offset
        air, height = self.distribution.air_fraction, self.distribution.goal_height
        if self.target_in_the_air and draw() < (0.5 if air is None else air):
            goal[2] += draw(0, 0.45 if height is None else height)
        return goal.copy()


def _finger_geoms(model: mujoco.MjModel) -> list[int]:
    """The geoms of the two fingers, which hold an object by friction."""
    bodies = {mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_BODY, f"robot0:{side}_gripper_finger_link") for side in "lr"}
    return [geom for geom in range(model.ngeom) if int(model.geom_bodyid[geom]) in bodies]
