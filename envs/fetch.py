"""The Fetch v4 tasks of gymnasium-robotics, bit for bit, in little more time than their physics takes.

Upstream asks MuJoCo for sites, joints and bodies by name some twenty times a step. Here each name is turned into an
index once, when the model is loaded, and `step` reads the arrays directly; environments of one task share a model
(`SharedModel`); and what physics computes but nobody reads is left out. Pictures are upstream's own code. The order
of every floating-point operation is kept, so that observations, rewards and infos are equal to the last bit
(tests/envs/test_fetch.py). Two things keep it so: NumPy's `arctan2` differs from C's in last bits where it has AVX-512,
and BLAS sums a product of matrix and vector in its own order.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium_robotics.envs.fetch.fetch_env import MujocoFetchEnv
from gymnasium_robotics.envs.fetch.pick_and_place import MujocoFetchPickAndPlaceEnv
from gymnasium_robotics.envs.fetch.push import MujocoFetchPushEnv
from gymnasium_robotics.envs.fetch.reach import MujocoFetchReachEnv
from gymnasium_robotics.envs.fetch.slide import MujocoFetchSlideEnv

from envs.distributions import Distributed
from envs.reflection import Reflection, fetch_reflection, located_reflection
from envs.shared_model import SharedModel
from envs.stability import unstable

# One unit of action moves the mocap body by 5 cm; the gripper keeps pointing down.
STEP_M = 0.05
QUATERNION = np.array([1.0, 0.0, 1.0, 0.0])
# Below this the second angle is a quarter turn, and the first and third are one (upstream's `_EPS4`).
FLAT = 4.0 * float(np.finfo(np.float64).eps)
FINGERS = ("robot0:l_gripper_finger_joint", "robot0:r_gripper_finger_joint")


def euler_angles(matrix: list[float]) -> list[float]:
    """Angles, rad, of a rotation matrix given row by row: gymnasium-robotics' `rotations.mat2euler` to the last bit."""
    m00, m01, m02, m10, m11, m12, _, _, m22 = matrix
    cy = math.sqrt(m22 * m22 + m12 * m12)
    if cy > FLAT:
        z, y, x = np.arctan2((m01, -m02, m12), (m00, cy, m22)).tolist()
        return [-x, -y, -z]
    z, y = np.arctan2((-m10, -m02), (m11, cy)).tolist()
    return [0.0, -y, -z]


def distance(a: np.ndarray, b: np.ndarray) -> Any:
    """(...,) between points (..., 3), m, by the operations of `np.linalg.norm`, which is slower by its checks."""
    assert a.shape == b.shape
    offset = a - b
    if offset.ndim == 1 and offset.dtype == np.float64:
        # The same sum in the same order; for three numbers Python's floats are quicker than a reduction.
        x, y, z = offset.tolist()
        return np.float64(math.sqrt(x * x + y * y + z * z))
    return np.sqrt(np.add.reduce(offset * offset, axis=-1))


@dataclasses.dataclass(frozen=True)
class GoalReward:
    """The tasks' reward of PyTorch tensors: −1 beyond `threshold` (m) and else 0; without one, minus the distance."""

    threshold: float | None

    def __call__(self, achieved: Any, desired: Any) -> Any:
        """Rewards (...,) of goals (..., 3) on any device."""
        far = (achieved - desired).square().sum(-1).sqrt()
        return -far if self.threshold is None else -(far > self.threshold).to(far.dtype)


class IndexedFetch(Distributed, SharedModel, MujocoFetchEnv):
    """Mixed in before an upstream Fetch task; same constructor, same spaces, same numbers."""

    # What `render` restores; made where somebody looks.
    _undrawn: mujoco.MjData | None = None

    def _initialize_simulation(self) -> None:
        super()._initialize_simulation()
        model, data = self.model, self.data

        def site(name: str) -> int:
            return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, name)

        def joint(name: str) -> int:
            return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name)

        # Views into MuJoCo's memory, which stays in place for the life of `data`.
        self._qpos, self._qvel, self._ctrl = data.qpos, data.qvel, data.ctrl
        self._grip = site("robot0:grip")
        self._grip_xpos = data.site_xpos[self._grip]
        # Upstream's gripper state: the last two of the robot's joints in the model's order.
        robot = [name for name in self._model_names.joint_names if name.startswith("robot")]
        self._finger_qpos = [int(model.jnt_qposadr[joint(name)]) for name in robot[-2:]]
        self._finger_dof = [int(model.jnt_dofadr[joint(name)]) for name in robot[-2:]]
        self._blocked_qpos = [int(model.jnt_qposadr[joint(name)]) for name in FINGERS]
        # A position actuator (bias) is commanded relative to its joint, a torque actuator directly.
        self._actuators = [
            (i, None if model.actuator_biastype[i] == 0 else int(model.jnt_qposadr[model.actuator_trnid[i, 0]]))
            for i in range(model.nu)
        ]
        weld = int(np.flatnonzero(model.eq_type == mujoco.mjtEq.mjEQ_WELD)[0])
        first, second = int(model.eq_obj1id[weld]), int(model.eq_obj2id[weld])
        body = second if model.body_mocapid[first] != -1 else first
        self._hand_xpos, self._hand_xquat = data.xpos[body], data.xquat[body]
        self._mocap_pos, self._mocap_quat = data.mocap_pos[0], data.mocap_quat[0]
        self._low, self._high = np.full(4, -1.0, np.float32), np.full(4, 1.0, np.float32)
        self._dt = self.n_substeps * model.opt.timestep
        self._jacobian = np.zeros((3, model.nv))
        if self.has_object:
            self._object = site("object0")
            self._object_xpos = data.site_xpos[self._object]
            self._object_xmat = data.site_xmat[self._object]
            self._object_jacobian = np.zeros((3, model.nv))
            self._object_rotation = np.zeros((3, model.nv))
            start = int(model.jnt_qposadr[joint("object0:joint")])
            self._object_qpos = data.qpos[start : start + 2]

    def loads_one_model(self) -> bool:
        """The four tasks do; a class made from them may change what it loads."""
        return type(self) in CLASSES.values()

    @property
    def dt(self) -> float:
        """Seconds between two actions."""
        return self._dt

    def _reset_sim(self) -> bool:
        """Upstream's reset: everything as after loading, the object at a drawn place."""
        model, data = self._model, self.data
        mujoco.mj_resetData(model, data)
        data.time = self.initial_time
        self._qpos[:], self._qvel[:] = self.initial_qpos, self.initial_qvel
        if model.na != 0:
            data.act[:] = None
        if self.has_object:
            gripper = self.initial_gripper_xpos[:2]
            place = gripper
            while np.linalg.norm(place - gripper) < 0.1:
                place = gripper + self.np_random.uniform(-self.obj_range, self.obj_range, size=2)
            self._object_qpos[:] = place
        mujoco.mj_forward(model, data)
        return True

    def _get_obs(self) -> dict[str, np.ndarray]:
        """Observation (10,) or (25,), achieved and desired goal (3,), all float64; see chapter 01 for each number."""
        # Python's floats: the sums and products are the same, and for three numbers cheaper than arrays.
        model, data, dt, qpos, qvel = self._model, self.data, self._dt, self._qpos, self._qvel
        first, second = self._finger_qpos
        fingers = [qpos.item(first), qpos.item(second)]
        first, second = self._finger_dof
        finger_velocity = [qvel.item(first) * dt, qvel.item(second) * dt]
        mujoco.mj_jacSite(model, data, self._jacobian, None, self._grip)
        # ẋ = J q̇, per environment step
        vx, vy, vz = self._jacobian.dot(qvel).tolist()
        grip_velocity = [vx * dt, vy * dt, vz * dt]
        grip = self._grip_xpos.tolist()
        if self.has_object:
            mujoco.mj_jacSite(model, data, self._object_jacobian, self._object_rotation, self._object)
            position = self._object_xpos.tolist()
            vx, vy, vz = self._object_jacobian.dot(qvel).tolist()
            wx, wy, wz = self._object_rotation.dot(qvel).tolist()
            (x, y, z), (gx, gy, gz), (ux, uy, uz) = position, grip, grip_velocity
            numbers = [
                *grip, *position, x - gx, y - gy, z - gz, *fingers, *euler_angles(self._object_xmat.tolist()),
                vx * dt - ux, vy * dt - uy, vz * dt - uz, wx * dt, wy * dt, wz * dt, *grip_velocity, *finger_velocity,
            ]  # fmt: skip
            achieved = self._object_xpos
        else:
            numbers = [*grip, *fingers, *grip_velocity, *finger_velocity]
            achieved = self._grip_xpos
        return {
            "observation": np.array(numbers),
            "achieved_goal": achieved.copy(),
            "desired_goal": self.goal.copy(),
        }

    def goal_state(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is achieved, what is desired and where the gripper is, each (3,) in m, world frame, as of now."""
        achieved = self._object_xpos if self.has_object else self._grip_xpos
        return achieved.copy(), self.goal.copy(), self._grip_xpos.copy()

    def _set_action(self, action: np.ndarray) -> None:
        """Command (4,): the gripper's displacement in units of 5 cm, and the fingers. In the dtype that came in."""
        fingers = 0.0 if self.block_gripper else action.item(3)
        for actuator, address in self._actuators:
            self._ctrl[actuator] = fingers if address is None else self._qpos[address] + fingers
        np.add(self._hand_xpos, action[:3] * STEP_M, out=self._mocap_pos)
        np.add(self._hand_xquat, QUATERNION, out=self._mocap_quat)

    def tensor_reward(self) -> GoalReward:
        """`compute_reward` for PyTorch tensors."""
        return GoalReward(self.distance_threshold if self.reward_type == "sparse" else None)

    def reflection(self) -> Reflection:
        """This task with left and right exchanged."""
        return fetch_reflection(self.has_object)

    def located_reflection(self) -> Reflection:
        """The same for a place that was seen, and the robot's own numbers (wrappers/pixels.py)."""
        return located_reflection()

    def _step_callback(self) -> None:
        if self.block_gripper:
            for address in self._blocked_qpos:
                self._qpos[address] = 0.0
            # Upstream calls `mj_forward`. Observations read positions and Jacobians alone, and MuJoCo carries nothing
            # of the rest (contacts, forces) over to the next step, so its first and cheapest stage is enough.
            mujoco.mj_fwdKinematics(self._model, self.data)

    def compute_reward(self, achieved_goal: np.ndarray, goal: np.ndarray, info: Any) -> Any:
        """Upstream's: 0 or -1, or minus the distance, of points (3,) or (n, 3), m; a scalar or (n,)."""
        far = distance(achieved_goal, goal)
        return -(far > self.distance_threshold).astype(np.float32) if self.reward_type == "sparse" else -far

    def _is_success(self, achieved_goal: np.ndarray, desired_goal: np.ndarray) -> Any:
        return (distance(achieved_goal, desired_goal) < self.distance_threshold).astype(np.float32)

    def render(self) -> Any:
        """Upstream's picture, and the simulation stays as it was.

        Upstream calls `mj_forward` to draw, which moves body positions from one substep ago to now; PickAndPlace's next
        action starts from them, so an episode that is filmed would be another one than the one that is not.
        """
        if self._undrawn is None:
            self._undrawn = mujoco.MjData(self.model)
        mujoco.mj_copyData(self._undrawn, self.model, self.data)
        # Where upstream puts the marker, it reckons from where both of these say that it is.
        places = self.model.site_pos.copy()
        try:
            return super().render()
        finally:
            mujoco.mj_copyData(self.data, self.model, self._undrawn)
            self.model.site_pos[:] = places

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], Any, bool, bool, dict[str, Any]]:
        """One control step of 20 × 2 ms; `action` (4,) in [−1, 1].

        Raises `ValueError` on an action of another shape than (4,), `UnstableSimulation` where physics breaks down.
        """
        if np.shape(action) != (4,):
            raise ValueError(f"an action has shape (4,), not {np.shape(action)}")
        # What `np.clip` does, three times as fast.
        self._set_action(np.minimum(np.maximum(action, self._low), self._high))
        # Upstream's name for the module, in whose place another engine may stand (wrappers/weld.py).
        self._mujoco.mj_step(self._model, self.data, nstep=self.n_substeps)
        # Every episode begins at `initial_time`; MuJoCo, where numbers are none, resets itself to 0 and goes on.
        if self.data.time < self.initial_time:
            raise unstable(action)
        self._step_callback()
        if self.render_mode == "human":
            self.render()
        observation = self._get_obs()
        achieved = observation["achieved_goal"]
        info = {"is_success": self._is_success(achieved, self.goal)}
        return observation, self.compute_reward(achieved, self.goal, info), False, False, info


class FetchReach(IndexedFetch, MujocoFetchReachEnv):
    """Move the gripper to a point."""


class FetchPush(IndexedFetch, MujocoFetchPushEnv):
    """Push a block to a point on the table."""


class FetchSlide(IndexedFetch, MujocoFetchSlideEnv):
    """Hit a puck so that it comes to rest at a point out of reach."""


class FetchPickAndPlace(IndexedFetch, MujocoFetchPickAndPlaceEnv):
    """Carry a block to a point on the table or in the air."""


CLASSES = {cls.__name__: cls for cls in (FetchReach, FetchPush, FetchSlide, FetchPickAndPlace)}


@functools.cache
def indexed_spec(env_id: str) -> EnvSpec:
    """Upstream's specification of a Fetch v4 id (time limit, reward type) with our class in place of its own."""
    task = env_id.removesuffix("-v4").removesuffix("Dense")
    return dataclasses.replace(gym.spec(env_id), entry_point=CLASSES[task])
