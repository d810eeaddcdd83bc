"""The Fetch v4 tasks of gymnasium-robotics, bit for bit, without a name look-up in every step.

Upstream asks MuJoCo for sites, joints and bodies by name some twenty times a step. Here each name is turned into an
index once, when the model is loaded, and `step` reads the arrays directly. Physics, reset, rewards, success, rendering
and goal sampling stay upstream's own code; the order of every floating-point operation is kept, so that observations,
rewards and infos are equal to the last bit (tests/envs/test_fetch.py).
"""

from __future__ import annotations

import dataclasses
import functools
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
from gymnasium_robotics.utils import rotations

# One unit of action moves the mocap body by 5 cm; the hand keeps pointing down.
STEP_M = 0.05
QUATERNION = np.array([1.0, 0.0, 1.0, 0.0])
FINGERS = ("robot0:l_gripper_finger_joint", "robot0:r_gripper_finger_joint")


class IndexedFetch(MujocoFetchEnv):
    """Mixed in before an upstream Fetch task; same constructor, same spaces, same numbers."""

    def _initialize_simulation(self) -> None:
        super()._initialize_simulation()
        model, data = self.model, self.data

        def site(name: str) -> int:
            return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_SITE, name)

        def joint(name: str) -> int:
            return mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, name)

        # Views into MuJoCo's memory, which stays in place for the life of `data`.
        self._qpos, self._qvel, self._ctrl = data.qpos, data.qvel, data.ctrl
        self._mocap_pos, self._mocap_quat = data.mocap_pos, data.mocap_quat
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
        self._low, self._high = np.full(4, -1.0, np.float32), np.full(4, 1.0, np.float32)
        self._dt = self.n_substeps * model.opt.timestep
        self._jacobian = np.zeros((3, model.nv))
        if self.has_object:
            self._object = site("object0")
            self._object_xpos = data.site_xpos[self._object]
            self._object_xmat = data.site_xmat[self._object].reshape(3, 3)
            self._object_jacobian = np.zeros((3, model.nv))
            self._object_rotation = np.zeros((3, model.nv))
        self._indexed = True

    def _get_obs(self) -> dict[str, np.ndarray]:
        """Observation (10,) or (25,), achieved and desired goal (3,), all float64; see chapter 01 for each number."""
        dt, qvel = self._dt, self._qvel
        grip_pos = self._grip_xpos
        mujoco.mj_jacSite(self.model, self.data, self._jacobian, None, self._grip)
        # ẋ = J q̇, per environment step
        grip_velp = (self._jacobian @ qvel) * dt
        fingers = self._qpos[self._finger_qpos]
        finger_velocity = qvel[self._finger_dof] * dt
        if self.has_object:
            mujoco.mj_jacSite(self.model, self.data, self._object_jacobian, self._object_rotation, self._object)
            position = self._object_xpos
            velocity = (self._object_jacobian @ qvel) * dt
            spin = (self._object_rotation @ qvel) * dt
            velocity -= grip_velp
            parts = (grip_pos, position, position - grip_pos, fingers, rotations.mat2euler(self._object_xmat),
                     velocity, spin, grip_velp, finger_velocity)  # fmt: skip
            achieved = position.copy()
        else:
            parts = (grip_pos, fingers, grip_velp, finger_velocity)
            achieved = grip_pos.copy()
        return {
            "observation": np.concatenate(parts),
            "achieved_goal": achieved,
            "desired_goal": self.goal.copy(),
        }

    def _set_action(self, action: np.ndarray) -> None:
        """Command (4,): the hand's displacement in units of 5 cm, and the fingers. In the dtype that came in."""
        delta = action[:3] * STEP_M
        fingers = 0.0 if self.block_gripper else float(action[3])
        for actuator, address in self._actuators:
            self._ctrl[actuator] = fingers if address is None else self._qpos[address] + fingers
        self._mocap_pos[0] = self._hand_xpos + delta
        self._mocap_quat[0] = self._hand_xquat + QUATERNION

    def _step_callback(self) -> None:
        if self.block_gripper:
            self._qpos[self._blocked_qpos] = 0.0
            mujoco.mj_forward(self.model, self.data)

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], Any, bool, bool, dict[str, Any]]:
        """One control step of 20 × 2 ms. Raises `ValueError` on an action of another shape than (4,)."""
        if np.shape(action) != (4,):
            raise ValueError(f"an action has shape (4,), not {np.shape(action)}")
        self._set_action(np.clip(action, self._low, self._high))
        mujoco.mj_step(self.model, self.data, nstep=self.n_substeps)
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
