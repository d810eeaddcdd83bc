"""A ladder of tiny goal-conditioned environments, each isolating one part of a learner.

After the probe environments of rejax and of Andy Jones ("Debugging RL, without the agonizing pain"): where a learner
fails on a rung and passes the ones below it, the rung names what is broken. Every rung has known values or a known best
policy. The last four are broken on purpose: no learner can pass on them, which proves that the checks can fail.
"""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


class Probe(gym.Env):
    """Base: `begin` draws goal and state, `move` acts, `compute_reward` judges; all arrays are float32 in [-1, 1].

    Episodes end by termination after `last_step` steps; where that is None, by the time limit (truncation) alone.
    """

    observation_size: ClassVar[int] = 1
    goal_size: ClassVar[int] = 1
    action_size: ClassVar[int] = 1
    last_step: ClassVar[int | None] = None
    # For `envs.rollout`: nearer than this counts as solved.
    distance_threshold: ClassVar[float] = 0.5

    def __init__(self, render_mode: str | None = None):
        self.render_mode = render_mode
        box = {"observation": self.observation_size, "achieved_goal": self.goal_size, "desired_goal": self.goal_size}
        self.observation_space = gym.spaces.Dict(
            {key: gym.spaces.Box(-1.0, 1.0, (size,), np.float32) for key, size in box.items()}
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (self.action_size,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        self.steps = 0
        self.achieved = np.zeros(self.goal_size, np.float32)
        self.goal = np.zeros(self.goal_size, np.float32)
        self.begin()
        return self.observe(), {}

    def step(self, action: Array) -> tuple[dict, float, bool, bool, dict]:
        self.steps += 1
        self.move(np.clip(action, -1, 1).astype(np.float32))
        reward = float(self.compute_reward(self.achieved, self.goal, {}))
        success = bool(np.linalg.norm(self.achieved - self.goal) < self.distance_threshold)
        return self.observe(), reward, self.steps == self.last_step, False, {"is_success": success}

    def observe(self) -> dict[str, Array]:
        """The goal-conditioned dictionary; `seen_goal` is the goal unless the environment is broken on purpose."""
        return {
            "observation": self.state(), "achieved_goal": self.achieved.copy(), "desired_goal": self.seen_goal(),
        }  # fmt: skip

    def begin(self) -> None:
        """Draw the goal; by default the sign that a coin shows, in every component."""
        self.goal = self.np_random.choice([-1.0, 1.0], self.goal_size).astype(np.float32)

    def state(self) -> Array:
        """(observation_size,): by default the share of the episode that has passed, nothing where it has no end."""
        return np.full(self.observation_size, self.steps / (self.last_step or np.inf), np.float32)

    def seen_goal(self) -> Array:
        return self.goal.copy()

    def move(self, action: Array) -> None:
        """By default the action does nothing."""

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: Any) -> Array:
        """(..., goal_size) twice to (...): 1 where the goal is met, else 0."""
        return (np.linalg.norm(achieved_goal - desired_goal, axis=-1) < self.distance_threshold).astype(np.float32)


class GoalIsValue(Probe):
    """One step, no action matters, the reward is the goal: Q(s, a, g) = g. Needs the goal to reach the critic."""

    last_step = 1

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: Any) -> Array:
        return desired_goal[..., 0]


class RewardNextStep(Probe):
    """Two steps, the reward 1 comes at the second: V(first) = gamma, V(second) = 1. Needs discounting."""

    last_step = 2

    def begin(self) -> None:
        self.goal[:] = 1.0

    def move(self, action: Array) -> None:
        self.achieved[:] = self.steps == 2


class RewardForever(Probe):
    """One state, reward 1 at each step, cut by a time limit: V = 1 / (1 - gamma). Needs truncation to be bootstrapped.

    Taken for a termination, the cut gives less than 1 + gamma, since no step of the two is told from the other.
    """

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: Any) -> Array:
        return np.ones(np.shape(desired_goal)[:-1], np.float32)


class ActionIsGoal(Probe):
    """One step, the reward is how far the action is from the goal, -0.7 or 0.7. Needs the goal to reach the policy.

    Graded, since TD3's actor follows the critic's slope at its own action, and a plateau far from the goal has none.
    """

    last_step = 1
    distance_threshold = 0.3

    def begin(self) -> None:
        super().begin()
        self.goal *= np.float32(0.7)

    def move(self, action: Array) -> None:
        self.achieved = action

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: Any) -> Array:
        return -np.linalg.norm(achieved_goal - desired_goal, axis=-1)


class FirstActionIsGoal(ActionIsGoal):
    """Two steps: the first action is judged, but only after the second, which does nothing. Needs credit over time."""

    last_step = 2
    observation_size = 2

    def begin(self) -> None:
        super().begin()
        self.first = np.zeros(1, np.float32)

    def state(self) -> Array:
        return np.array([self.steps / 2, self.first[0]], np.float32)

    def move(self, action: Array) -> None:
        if self.steps == 1:
            self.first = action
        else:
            self.achieved = self.first


class PointReach(Probe):
    """A point that moves up to 0.15 a step towards a goal 0.8 away, seldom met by chance; reward 0 there, else -1."""

    observation_size = goal_size = action_size = 2
    distance_threshold = 0.15

    def begin(self) -> None:
        angle = self.np_random.uniform(-np.pi, np.pi)
        self.goal = np.array([0.8 * np.cos(angle), 0.8 * np.sin(angle)], np.float32)

    def state(self) -> Array:
        return self.achieved.copy()

    def move(self, action: Array) -> None:
        self.achieved = np.clip(self.achieved + np.float32(0.15) * action, -1, 1)

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: Any) -> Array:
        return super().compute_reward(achieved_goal, desired_goal, info) - 1


class BitFlip(PointReach):
    """BitFlip of Andrychowicz et al. 2017, section 3.1: flip one bit a step until all equal the goal's; -1 until then.

    Theirs has one discrete action for each bit. SAC and TD3 need continuous ones, so here the action is a vector with
    a component for each bit, and the largest picks the bit to flip. Bits are -1 and 1. Since a bit must be flipped at
    every step, a goal once met is left again: what counts is to have met it.
    """

    observation_size = goal_size = action_size = 6
    distance_threshold = 0.5

    def begin(self) -> None:
        self.goal, self.achieved = self.np_random.choice([-1.0, 1.0], (2, self.goal_size)).astype(np.float32)

    def move(self, action: Array) -> None:
        self.achieved[np.argmax(action)] *= -1


class HiddenGoal(Probe):
    """Broken on purpose: rewards depend on a goal that nobody is shown."""

    def seen_goal(self) -> Array:
        return np.zeros(self.goal_size, np.float32)


class GoalIsValueHidden(HiddenGoal, GoalIsValue):
    """`GoalIsValue` with the goal hidden: the best value is 0 for both."""


class ActionIsGoalHidden(HiddenGoal, ActionIsGoal):
    """`ActionIsGoal` with the goal hidden: the best action meets one goal of the two."""


class RewardForeverTerminated(RewardForever):
    """`RewardForever` with its end called a termination: the values lie between 1 and 1 + gamma."""

    last_step = 2

    def state(self) -> Array:
        return np.zeros(1, np.float32)


class PointReachUnjudged(PointReach):
    """`PointReach` where no goal counts as met, so that hindsight finds nothing to learn from."""

    def compute_reward(self, achieved_goal: Array, desired_goal: Array, info: Any) -> Array:
        return np.full(np.shape(achieved_goal)[:-1], -1, np.float32)


def register(env: type[Probe], time_limit: int | None = None) -> str:
    """Put `env` into Gymnasium's registry; its id. The time limit is beyond the last step where that ends it."""
    env_id = f"Probe{env.__name__}-v0"
    if env_id not in gym.registry:
        gym.register(env_id, entry_point=env, max_episode_steps=time_limit or env.last_step + 1)
    return env_id


GOAL_IS_VALUE = register(GoalIsValue)
REWARD_NEXT_STEP = register(RewardNextStep)
REWARD_FOREVER = register(RewardForever, 2)
ACTION_IS_GOAL = register(ActionIsGoal)
FIRST_ACTION_IS_GOAL = register(FirstActionIsGoal)
POINT_REACH = register(PointReach, 12)
BIT_FLIP = register(BitFlip, BitFlip.goal_size)
GOAL_IS_VALUE_HIDDEN = register(GoalIsValueHidden)
ACTION_IS_GOAL_HIDDEN = register(ActionIsGoalHidden)
REWARD_FOREVER_TERMINATED = register(RewardForeverTerminated)
POINT_REACH_UNJUDGED = register(PointReachUnjudged, 12)
