"""Controllers written by hand for the Fetch tasks: the baselines that a learned policy has to beat.

    python eval.py --agent scripted --env FetchPush-v4

They see the observation and nothing else. Positions are in m, world frame; velocities in m/step. An action of 1 moves
the point that the gripper follows by 5 cm; at full speed the gripper itself moves by 2 to 3 cm a step.

Each is two things in a row: `plan(observation)` says where the gripper should be and what the fingers should do, and
proportional control goes there. `agents/execution.py` exchanges the second part.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import gymnasium as gym
import numpy as np

from agents.controllers import CONTROLLERS
from common.errors import UserError

STEP_M = 0.05
# Half an edge of the block of Push and PickAndPlace.
HALF_BLOCK_M = 0.025
# Height of the gripper at which it passes over a block, and of a block's middle on the table.
ABOVE_M, TABLE_M = 0.5, 0.425
OPEN, CLOSED = 1.0, -1.0


def towards(target: np.ndarray, grip: np.ndarray, gain: float, fingers: float = 0.0) -> np.ndarray:
    """Proportional control: action (4,) that moves the gripper from `grip` (3,) to `target` (3,), m, world frame."""
    # u = K (x* − x) / 5 cm, clipped to the action space
    return np.append(np.clip(gain * (target - grip) / STEP_M, -1.0, 1.0), fingers).astype(np.float32)


class Proportional(ABC):
    """A plan, carried out by proportional control."""

    gain = 1.0

    @abstractmethod
    def plan(self, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """Where the gripper should go, (3,) in m, world frame, and the command of the fingers."""

    def predict(self, observation: dict[str, np.ndarray], deterministic: bool = True) -> tuple[np.ndarray, None]:
        """An action (4,) float32."""
        target, fingers = self.plan(observation)
        return towards(target, observation["observation"][:3], self.gain, fingers), None


@CONTROLLERS.register("scripted")
def scripted(env: gym.Env) -> Any:
    """The controller written for this task. Raises `UserError` where there is none."""
    env_id = env.unwrapped.spec.id if env.unwrapped.spec else type(env.unwrapped).__name__
    for task, controller in BY_TASK.items():
        if env_id.startswith(task):
            return controller(env)
    raise UserError(f"no controller was written for {env_id}; there are some for {', '.join(BY_TASK)}.")


@CONTROLLERS.register("reach")
class Reach(Proportional):
    """The gripper goes straight to the goal."""

    def __init__(self, env: gym.Env, gain: float = 1.0):
        self.gain = gain

    def plan(self, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """The goal."""
        return observation["desired_goal"], 0.0


@CONTROLLERS.register("push")
class Push(Proportional):
    """Behind the block, down to the table, and along the line to the goal; round again where the block slips off.

    In the plane of the table, with block b, goal g and d = (g − b) / ‖g − b‖, behind is b − r d. The gripper's offset
    from the block has a part along d, which says whether it is behind, and a part across, which it corrects as it
    pushes. `speed` limits the push, in units of the action; `steer` is the gain of that correction: from about 1.5 on
    the gripper swings from side to side where actions come a step late (chapter 06).
    """

    BEHIND_M = 0.075
    # Nearer to the block than this, the gripper would touch it on the way.
    CLEAR_M = 0.065
    # A block this far to one side is lost; a goal this near is reached.
    SLIP_M, NEAR_M = 0.025, 0.015

    def __init__(self, env: gym.Env, speed: float = 0.7, steer: float = 2.0):
        self.speed, self.steer = speed, steer
        self.pushing = False

    def seed(self, seed: int) -> None:
        """Begin an episode."""
        self.pushing = False

    def plan(self, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """The point behind the block, a point on the way there, or the next one of the push."""
        seen, goal = observation["observation"], observation["desired_goal"]
        grip, block = seen[:3], seen[3:6]
        way = (goal - block)[:2]
        distance = float(np.linalg.norm(way))
        if distance < self.NEAR_M or (self.pushing and self._will_arrive(seen, way)):
            self.pushing = False
            return grip, 0.0
        d = way / distance
        offset = (grip - block)[:2]
        along = float(offset @ d)
        across = offset - along * d
        start = np.append(block[:2] - self.BEHIND_M * d, TABLE_M)
        if self.pushing:
            self.pushing = float(np.linalg.norm(across)) < self.SLIP_M and along < 0
        else:
            self.pushing = float(np.linalg.norm(grip - start)) < 0.02
        if not self.pushing:
            return self._waypoint(grip, block, start), 0.0
        # v d − k (part across), slower as the goal comes near
        push = min(self.speed * STEP_M, distance) * d - self.steer * across
        return np.append(grip[:2] + push, TABLE_M), CLOSED

    @staticmethod
    def _will_arrive(seen: np.ndarray, way: np.ndarray) -> bool:
        """Whether the block passes the goal (`way` (2,) from it) within a step, as it moves now."""
        # Its velocity is observed relative to the gripper's.
        velocity = seen[14:16] + seen[20:22]
        return bool(way @ (way - velocity) < 0)

    def _waypoint(self, grip: np.ndarray, block: np.ndarray, start: np.ndarray) -> np.ndarray:
        """Where to go next on the way to `start`: there, up, or across above the block."""
        if np.linalg.norm((grip - start)[:2]) < 0.02 or self._is_clear(grip[:2], start[:2], block[:2]):
            return start
        if grip[2] < ABOVE_M - 0.015:
            return np.append(grip[:2], ABOVE_M + 0.03)
        return np.append(start[:2], ABOVE_M)

    def _is_clear(self, a: np.ndarray, b: np.ndarray, block: np.ndarray) -> bool:
        """Whether the straight way from `a` to `b`, all (2,), passes the block at a distance."""
        way = b - a
        # The nearest point of the segment: a + t (b − a) with t in [0, 1]
        t = np.clip((block - a) @ way / max(float(way @ way), 1e-9), 0.0, 1.0)
        return bool(np.linalg.norm(a + t * way - block) > self.CLEAR_M)


@CONTROLLERS.register("pick_and_place")
class PickAndPlace(Proportional):
    """Above the block with open fingers, down, close, and carry it to the goal; again where it was lost.

    What to do follows from the observation alone: the offset of the block from the gripper, and how wide the fingers
    are apart.
    """

    # How far the fingers are apart at most when they hold the block (two widths of about half a block).
    HELD_M = 0.055

    def __init__(self, env: gym.Env, gain: float = 1.0):
        self.gain = gain

    def plan(self, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, float]:
        """Where the gripper should go, and whether the fingers open or close."""
        seen, goal = observation["observation"], observation["desired_goal"]
        grip, block, width = seen[:3], seen[3:6], float(seen[9:11].sum())
        offset = block - grip
        if np.linalg.norm(offset) < 0.02:
            return (grip + (goal - block) if width < self.HELD_M else block), CLOSED
        if np.linalg.norm(offset[:2]) > 0.01:
            if grip[2] < block[2] + 0.05:
                return np.append(grip[:2], block[2] + 0.08), OPEN
            return np.append(block[:2], max(grip[2], block[2] + 0.06)), OPEN
        return block, OPEN


BY_TASK = {"FetchReach": Reach, "FetchPush": Push, "FetchPickAndPlace": PickAndPlace}
