"""An environment of a user's: a ball on a slope is pushed to a mark. Not part of the project."""

import gymnasium as gym
import numpy as np


class Slope(gym.Env):
    """Position and speed of the ball; a push in [-1, 1] against a pull that depends on `steepness`."""

    distance_threshold = 0.05

    def __init__(self, steepness=0.1, render_mode=None):
        point, self.steepness, self.render_mode = gym.spaces.Box(-9.0, 9.0, (1,)), steepness, render_mode
        both = gym.spaces.Box(-9.0, 9.0, (2,))
        self.observation_space = gym.spaces.Dict(observation=both, achieved_goal=point, desired_goal=point)
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,))

    def look(self):
        return {"observation": self.ball.copy(), "achieved_goal": self.ball[:1].copy(), "desired_goal": self.mark}

    def compute_reward(self, achieved, desired, info):
        return -(np.abs(achieved - desired)[..., 0] > self.distance_threshold).astype(np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.ball = np.zeros(2, np.float32)
        self.mark = self.np_random.uniform(-0.5, 0.5, 1).astype(np.float32)
        return self.look(), {}

    def step(self, action):
        self.ball[1] = 0.5 * self.ball[1] + 0.1 * np.clip(action, -1, 1)[0] - 0.1 * self.steepness
        self.ball[0] += self.ball[1]
        reward = self.compute_reward(self.ball[:1], self.mark, {})
        return self.look(), float(reward), False, False, {"is_success": bool(reward == 0)}


gym.register("Slope-v0", Slope, max_episode_steps=10)
