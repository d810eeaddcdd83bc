"""A Fetch task as an older MuJoCo runs it: one term of the weld that holds the gripper, taken away or scaled.

The gripper is welded to a mocap body. A weld is a constraint r(q) = 0 whose second derivative, with J = ∂r/∂q, is
r̈ = J q̈ + J̇ q̇, and MuJoCo chooses forces for which r̈ comes near a reference. Up to 3.6 it left J̇ q̇ out; since 3.7 it is
there (https://mujoco.readthedocs.io/en/stable/changelog.html, "centripetal/Coriolis acceleration term"). An arm that
turns while it is pulled is bent off its way by it: the gripper of FetchPush begins 17.6 mm elsewhere.

    python eval.py --ckpt … --env FetchPush-v4 --wrap weld:share=0       # the task of MuJoCo 3.6, in today's

With `share=0` positions are those of 3.6 to 1e-8 m (tests/wrappers/test_weld.py compares with logs from there).
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from wrappers.registry import register

# s: what positions move on, and back, for a derivative by time.
TICK = 1e-6
# Where the tasks put robot and object before the arm moves into place (m, and a quaternion).
BASE = {"robot0:slide0": 0.405, "robot0:slide1": 0.48, "robot0:slide2": 0.0}
REACH = {"robot0:slide0": 0.4049}
OBJECT = {"object0:joint": [1.25, 0.53, 0.4, 1.0, 0.0, 0.0, 0.0]}
SLIDE = {"robot0:slide0": 0.05, "object0:joint": [1.7, 1.1, 0.41, 1.0, 0.0, 0.0, 0.0]}


class Engine:
    """Stands in a task for the module `mujoco`: everything is as there, but `mj_step` knows `share` of J̇ q̇."""

    def __init__(self, share: float):
        self.share = share
        self._scratch: mujoco.MjData | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(mujoco, name)

    def mj_step(self, model: mujoco.MjModel, data: mujoco.MjData, nstep: int = 1) -> None:
        """`nstep` substeps."""
        if self.share == 1:
            mujoco.mj_step(model, data, nstep=nstep)
            return
        for _ in range(nstep):
            mujoco.mj_step1(model, data)
            # MuJoCo has a_ref = −b J q̇ − k r − J̇ q̇: all but `share` of the last term is given back.
            data.efc_aref[: data.ne] += (1.0 - self.share) * self.drift(model, data)
            mujoco.mj_step2(model, data)

    def drift(self, model: mujoco.MjModel, data: mujoco.MjData) -> np.ndarray:
        """(ne,): J̇ q̇ of the equality constraints, by central differences along the velocity."""
        if self._scratch is None:
            self._scratch = mujoco.MjData(model)
        near, products = self._scratch, []
        near.mocap_pos[:], near.mocap_quat[:] = data.mocap_pos, data.mocap_quat
        for tick in (TICK, -TICK):
            near.qpos[:] = data.qpos
            mujoco.mj_integratePos(model, near.qpos, data.qvel, tick)
            mujoco.mj_fwdPosition(model, near)
            # Small models keep J as a full matrix, with the equality constraints first.
            products.append(near.efc_J.reshape(near.nefc, model.nv)[: near.ne] @ data.qvel)
        # J̇ q̇ ≈ (J(q + h q̇) − J(q − h q̇)) q̇ / 2h
        return (products[0] - products[1]) / (2 * TICK)


@register("weld")
class Weld(gym.Wrapper):
    """A Fetch task whose weld knows `share` of J̇ q̇: 1 as since MuJoCo 3.7, 0 as before. Slow unless it is 1."""

    def __init__(self, env: gym.Env, share: float = 0.0):
        super().__init__(env)
        if not hasattr(env.unwrapped, "initial_gripper_xpos"):
            raise ValueError("the weld is that of a Fetch task.")
        if tuple(int(part) for part in mujoco.__version__.split(".")[:2]) < (3, 7):
            raise ValueError(f"MuJoCo {mujoco.__version__} has no such term; 3.7 or newer is needed.")
        # This environment's own model, since the arm has to move into place again.
        assert env.unwrapped.model is not None
        self.set(share)

    def set(self, share: float) -> None:
        """Another share; the arm moves into place again, as when the task was loaded."""
        task = self.env.unwrapped
        task._mujoco = Engine(share)
        mujoco.mj_resetData(task.model, task.data)
        own = OBJECT if task.has_object else REACH
        task._env_setup(BASE | own | (SLIDE if "Slide" in type(task).__name__ else {}))
        task.initial_time = task.data.time
        task.initial_qpos, task.initial_qvel = task.data.qpos.copy(), task.data.qvel.copy()
        self.share = share
