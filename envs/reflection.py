"""The mirror symmetry of the Fetch tasks: an episode with left and right exchanged.

The table, the goals and the gripper are symmetric about the vertical plane y = 0.75 m through the middle of the table;
the arm behind the gripper is nearly so (tests/envs/test_reflection.py measures by how much). So every recorded
transition is worth two. Source of the idea: Lin et al. 2020, "Invariant Transform Experience Replay"
(arXiv:1909.10707).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

# y of the plane, in m, world frame.
PLANE_M = 0.75
# What a reflection along y does to the components: (x, y, z) of a vector turn into (x, −y, z), those of an angle or an
# angular velocity, which are axial, into (−x, y, −z).
POINT, VECTOR, AXIAL, PAIR = (1, -1, 1), (1, -1, 1), (-1, 1, -1), (1, 1)
# Gripper, fingers, gripper's velocity, fingers' velocity.
ROBOT = (*POINT, *PAIR, *VECTOR, *PAIR)


@dataclass(frozen=True)
class Reflection:
    """Flat observations x = (achieved goal, desired goal, observation), (B, D), and actions (B, 4) in the mirror.

    Mirrored x is x[:, order] · sign + offset.
    """

    order: np.ndarray
    sign: np.ndarray
    offset: np.ndarray
    action_sign: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x (B, D) in the mirror, float32."""
        return x[:, self.order] * self.sign + self.offset


def fetch_reflection(has_object: bool) -> Reflection:
    """For the 10 entries of Reach's observation, or the 25 of the tasks with an object (chapter 01 names each)."""
    if has_object:
        # gripper, object, object relative to gripper, fingers, object's angles, its velocity relative to the gripper's,
        # its angular velocity, gripper's velocity, fingers' velocity
        sign = [*POINT, *POINT, *VECTOR, *PAIR, *AXIAL, *VECTOR, *AXIAL, *VECTOR, *PAIR]
        return _reflection(sign, (1, 4), (9, 23))
    return _reflection(ROBOT, (1,), (3, 8))


def located_reflection() -> Reflection:
    """For the place of the object and the 10 entries of the robot: what agents/locating.py makes of pictures."""
    return _reflection([*POINT, *ROBOT], (1, 4), (6, 11))


def _reflection(sign: Sequence[int], points: Sequence[int], fingers: Sequence[int]) -> Reflection:
    """`points`: where in the observation a place has its y; `fingers`: where a pair of fingers begins."""
    order, offset = np.arange(len(sign)), np.zeros(len(sign))
    for first in fingers:
        order[[first, first + 1]] = first + 1, first
    offset[list(points)] = 2.0 * PLANE_M
    goal_offset = np.array([0.0, 2.0 * PLANE_M, 0.0])
    return Reflection(
        np.concatenate([np.arange(6), order + 6]),
        np.array([*POINT, *POINT, *sign], np.float32),
        np.concatenate([goal_offset, goal_offset, offset]).astype(np.float32),
        np.array([1, -1, 1, 1], np.float32),
    )
