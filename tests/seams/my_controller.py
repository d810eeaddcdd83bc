"""A controller of a user's: pushes towards the mark. Not part of the project."""

import gymnasium as gym
import numpy as np

from agents.controllers import CONTROLLERS


@CONTROLLERS.register("towards")
class Towards:
    """u = gain · (where it should be − where it is)."""

    def __init__(self, env: gym.Env, gain: float = 5.0):
        self.space, self.gain = env.action_space, gain

    def predict(self, observation, deterministic=True):
        error = observation["desired_goal"] - observation["achieved_goal"]
        return np.clip(self.gain * error, self.space.low, self.space.high), None
