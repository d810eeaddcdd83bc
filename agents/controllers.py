"""Controllers by name: agents that do not learn, with the same `predict` as a policy.

    python eval.py --agent zero --env FetchPush-v4
    python eval.py --agent my_module:upwards:speed=0.5 --env FetchReach-v4

    # my_module.py
    from agents.controllers import CONTROLLERS

    @CONTROLLERS.register("upwards")
    class Upwards:
        def __init__(self, env: gym.Env, speed: float = 1.0): ...
        def predict(self, observation, deterministic=True): ...

A controller is made from the environment, whose spaces and constants it may read, and sees nothing of an episode but
its observations. One with randomness or memory has `seed(seed)`, which begins an episode.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from common.errors import UserError
from common.registry import Registry

CONTROLLERS = Registry("agent", ("agents.scripted",))


@CONTROLLERS.register("random")
class RandomPolicy:
    """Uniform actions from a generator of its own, seeded once per episode. Raises `UserError` on discrete actions."""

    def __init__(self, env: gym.Env):
        if not isinstance(env.action_space, gym.spaces.Box):
            raise UserError(f"the random agent needs continuous actions; this task has {env.action_space}.")
        self.space = env.action_space
        self.generator = np.random.default_rng(0)

    def seed(self, seed: int) -> None:
        """Begin an episode: the same seed gives the same actions."""
        # Not the seed alone: the environment draws its goal from that stream, and on Reach the first action would be
        # that very draw, a step straight to the goal.
        self.generator = np.random.default_rng([seed, 1])

    def predict(self, observation: Any, deterministic: bool = True) -> tuple[np.ndarray, None]:
        """A uniform action, (A,) float32; `observation` and `deterministic` are not looked at."""
        action = self.generator.uniform(self.space.low, self.space.high)
        return action.astype(self.space.dtype), None


@CONTROLLERS.register("zero")
class ZeroPolicy:
    """Does nothing: what it scores is luck of the start."""

    def __init__(self, env: gym.Env):
        self.action = np.zeros(env.action_space.shape, env.action_space.dtype)

    def predict(self, observation: Any, deterministic: bool = True) -> tuple[np.ndarray, None]:
        """The zero action, (A,)."""
        return self.action, None
