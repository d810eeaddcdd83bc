"""A tiny task with a picture: where the point is, drawn as a bright square on 16 by 16 pixels."""

from __future__ import annotations

import gymnasium as gym
import numpy as np

from tests.contract.tiny import LENGTH, TinyReach

SIZE = 16


class TinyPicture(TinyReach):
    """`TinyReach` that also shows a picture, channels last, as cameras give it."""

    def __init__(self, **options):
        super().__init__(**options)
        picture = gym.spaces.Box(0, 255, (SIZE, SIZE, 3), np.uint8)
        self.observation_space = gym.spaces.Dict(dict(self.observation_space.spaces) | {"picture": picture})

    def _observation(self, broken: bool = False) -> dict[str, np.ndarray]:
        picture = np.zeros((SIZE, SIZE, 3), np.uint8)
        row, column = np.clip((self.position * 10 + SIZE / 2).astype(int), 1, SIZE - 2)
        picture[row - 1 : row + 2, column - 1 : column + 2] = 255
        return super()._observation(broken) | {"picture": picture}


gym.register("TinyPicture-v0", TinyPicture, max_episode_steps=LENGTH)
