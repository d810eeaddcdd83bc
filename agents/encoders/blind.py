"""The control: everything that a policy from pixels may see, but for the pixels. On Push it must fail.

Where it does not, something else than the picture says where the object is.
"""

from __future__ import annotations

import gymnasium as gym
import torch
from torch import Tensor, nn

from agents.encoders.parts import PixelEncoder
from agents.networks import ENCODERS


@ENCODERS.register("blind")
class Blind(PixelEncoder):
    """The normalised vectors alone."""

    def __init__(self, space: gym.Space):
        super().__init__(space, 0)

    @staticmethod
    def trunk(shape: tuple[int, int, int], features: int) -> nn.Module:
        """Nothing of the pictures: (B, *shape) to (B, 0)."""
        return Nothing()


class Nothing(nn.Module):
    """(B, …) to (B, 0)."""

    def forward(self, images: Tensor) -> Tensor:
        """(B, …) to (B, 0): no numbers for each of B pictures."""
        return torch.zeros(len(images), 0, device=images.device)
