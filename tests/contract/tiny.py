"""Tiny goal-conditioned environments: a run on them takes milliseconds, and each can be made to go wrong in one way.

A point on a plane; an action moves it; the goal is to stand near a drawn place when the ten steps are over.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

LENGTH = 10


class TinyReach(gym.Env):
    """Observation: the position twice over (4,), achieved and desired goal (2,); action: a velocity (2,)."""

    metadata = {"render_modes": []}
    distance_threshold = 0.05

    def __init__(self, render_mode: str | None = None, nan_after: int | None = None, where: str = "step"):
        box = gym.spaces.Box(-10.0, 10.0, (2,), np.float64)
        self.observation_space = gym.spaces.Dict(
            observation=gym.spaces.Box(-10.0, 10.0, (4,), np.float64), achieved_goal=box, desired_goal=box
        )
        self.action_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
        self.render_mode, self.nan_after, self.where = render_mode, nan_after, where
        self.resets = self.steps = 0

    def _observation(self, broken: bool = False) -> dict[str, np.ndarray]:
        body = np.concatenate([self.position, self.position])
        if broken:
            body[2] = np.nan
        return {"observation": body, "achieved_goal": self.position.copy(), "desired_goal": self.goal.copy()}

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> np.ndarray:
        """0 near the goal, else -1."""
        return -(np.linalg.norm(achieved - desired, axis=-1) > self.distance_threshold).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        """A new start and goal."""
        super().reset(seed=seed)
        self.position, self.goal = np.zeros(2), self.np_random.uniform(-0.2, 0.2, 2)
        self.resets += 1
        return self._observation(self.where == "reset" and self.resets == self.nan_after), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Move by a tenth of the action."""
        self.position = self.position + 0.1 * np.asarray(action, dtype=np.float64)
        self.steps += 1
        reward = float(self.compute_reward(self.position, self.goal, None))
        if self.where == "reward" and self.steps == self.nan_after:
            reward = float("nan")
        broken = self.where == "step" and self.steps == self.nan_after
        return self._observation(broken), reward, False, False, {"is_success": reward == 0.0}


class TinyFlat(TinyReach):
    """The same without goals."""

    def __init__(self, **options: Any):
        super().__init__(**options)
        self.observation_space = self.observation_space["observation"]

    def _observation(self, broken: bool = False) -> np.ndarray:
        return super()._observation(broken)["observation"]


def register() -> None:
    """Put them into Gymnasium's registry, once."""
    if "TinyReach-v0" in gym.registry:
        return
    gym.register("TinyReach-v0", TinyReach, max_episode_steps=LENGTH)
    gym.register("TinyFlat-v0", TinyFlat, max_episode_steps=LENGTH)
    # The 25th step of an episode cut after ten; the last step of an episode, which the buffer sees as its end alone;
    # a reset within a run, the first reset of all, and a reward.
    for name, after, where in (
        ("Step", 25, "step"), ("Last", 3 * LENGTH, "step"), ("Reset", 4, "reset"), ("First", 1, "reset"),
        ("Reward", 25, "reward"),
    ):  # fmt: skip
        gym.register(
            f"TinyNan{name}-v0", TinyReach, max_episode_steps=LENGTH, kwargs={"nan_after": after, "where": where}
        )
