"""Who decides where to go, and who goes there: plans and their execution, exchanged between policy and controller.

A policy is one network, so whether it fails because its target is wrong or because it is badly carried out cannot be
read off it. Here its plan is made explicit: where the gripper would be some steps from now, if the policy acted on an
undisturbed copy of the simulator. That target is then handed to proportional control. The other way round, a policy
that was trained on Reach, which does nothing but go to a point, carries out the plan of a scripted controller.
"""

from __future__ import annotations

from typing import Any, Protocol

import gymnasium as gym
import mujoco
import numpy as np

from agents.scripted import Proportional


class Planner(Protocol):
    """Something that says where the gripper should go."""

    def plan(self, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """A target (3,) in m, world frame, and the command of the fingers."""
        ...


class Foresight(Proportional):
    """A policy's plan, carried out by proportional control.

    The target is where the policy takes the gripper in `horizon` steps, on `copy`: an environment of the same task
    without wrappers, which is set to the state of `real` first. So it plans for the arm that it was trained with,
    whatever stands between it and the arm. `gain` is that of proportional control.
    """

    def __init__(self, policy: Any, real: gym.Env, copy: gym.Env, horizon: int = 1, gain: float = 1.0):
        if horizon < 1:
            raise ValueError("horizon must be at least 1.")
        self.policy, self.real, self.copy = policy, real.unwrapped, copy.unwrapped
        self.horizon, self.gain = horizon, gain

    def plan(self, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """Where the policy would be `horizon` steps from here, and what it asks of the fingers now."""
        # All of it, in place: `mj_setState` leaves out the positions of bodies, from which the next step begins.
        mujoco.mj_copyData(self.copy.data, self.real.model, self.real.data)
        self.copy.goal = self.real.goal.copy()
        fingers = 0.0
        for step in range(self.horizon):
            action, _ = self.policy.predict(observation, deterministic=True)
            fingers = float(action[3]) if step == 0 else fingers
            observation, *_ = self.copy.step(action)
        return observation["observation"][:3], fingers


class ByReachPolicy:
    """A plan, carried out by a policy of FetchReach: the plan's target is its goal."""

    def __init__(self, planner: Planner, reach: Any):
        self.planner, self.reach = planner, reach

    def seed(self, seed: int) -> None:
        """Begin an episode."""
        if hasattr(self.planner, "seed"):
            self.planner.seed(seed)

    def predict(self, observation: dict[str, np.ndarray], deterministic: bool = True) -> tuple[np.ndarray, None]:
        """An action (4,) float32; the fingers are the plan's."""
        target, fingers = self.planner.plan(observation)
        seen = observation["observation"]
        # Reach shows position, fingers, velocity and velocity of the fingers; its own fingers never move.
        arm = np.concatenate([seen[:3], np.zeros(2), seen[20:23] if len(seen) == 25 else seen[5:8], np.zeros(2)])
        asked = {"observation": arm, "achieved_goal": seen[:3], "desired_goal": np.asarray(target, np.float64)}
        action, _ = self.reach.predict(asked, deterministic=True)
        return np.append(action[:3], fingers).astype(np.float32), None
