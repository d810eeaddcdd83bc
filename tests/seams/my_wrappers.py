"""Wrappers of a user's: a sticky actuator, and a price of every step. Not part of the project."""

import gymnasium as gym
import numpy as np

from wrappers.registry import register
from wrappers.seeded import SeededWrapper


@register("sticky")
class Sticky(SeededWrapper):
    """With a probability, the action of the step before is carried out again."""

    def __init__(self, env: gym.Env, prob: float = 0.25):
        super().__init__(env)
        self.prob = prob

    def begin(self, observation):
        self.last = np.zeros(self.action_space.shape, np.float32)
        return observation

    def step(self, action):
        if self.generator.random() >= self.prob:
            self.last = np.array(action, np.float32)
        return self.env.step(self.last)


@register("price")
class Price(gym.RewardWrapper):
    """Each step costs `amount` more."""

    def __init__(self, env: gym.Env, amount: float = 16.3):
        super().__init__(env)
        self.amount = amount

    def reward(self, reward):
        return reward - self.amount
