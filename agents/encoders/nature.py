"""The encoder of DQN (Mnih et al. 2015, "Human-level control through deep reinforcement learning").

Its first kernels are 8 pixels wide and move by 4: made for Atari's large sprites, where a fraction of a pixel does not
matter. A 5 cm block is 6 pixels wide in a picture of 64.
"""

from __future__ import annotations

import gymnasium as gym
from torch import nn

from agents.encoders.parts import Convolutions, PixelEncoder, summary
from agents.networks import ENCODERS


@ENCODERS.register("nature")
class Nature(PixelEncoder):
    """8×8 by 4, 4×4 by 2, 3×3: `features` numbers of the pictures."""

    def __init__(self, space: gym.Space, features: int = 64, bf16: bool = False):
        super().__init__(space, features, bf16)

    @staticmethod
    def trunk(shape: tuple[int, int, int], features: int) -> nn.Module:
        """(B, *shape) to (B, features)."""
        convolutions = Convolutions(
            nn.Conv2d(shape[0], 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(),
            nn.Conv2d(64, 64, 3), nn.ReLU(),
        )  # fmt: skip
        return summary(convolutions, shape, features)
