"""Where in the picture each feature is, and nothing else: Levine et al. 2016, arXiv:1504.00702, section 5.2.

Each channel of the last convolution becomes a probability over the places of the picture, and the encoder gives its
mean place. 32 channels are 32 points in image coordinates, which is what a policy that reaches for things needs, and
they can be drawn over the picture (scripts/labs/visual_encoder.py).
"""

from __future__ import annotations

import gymnasium as gym
import torch
from torch import Tensor, nn

from agents.encoders.manipulation import small_kernels
from agents.encoders.parts import PixelEncoder
from agents.networks import ENCODERS


class SpatialSoftmax(nn.Module):
    """Maps (B, C, H, W) to mean places (B, 2 C) in [−1, 1]: all x, then all y; −1 and 1 are the map's borders."""

    def __init__(self, height: int, width: int):
        super().__init__()
        self.register_buffer("x", torch.linspace(-1.0, 1.0, width))
        self.register_buffer("y", torch.linspace(-1.0, 1.0, height))
        self.temperature = nn.Parameter(torch.ones(()))

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 2 C)."""
        # p(i, j) = exp(a_ij / T) / Σ exp(a / T)
        share = torch.softmax(maps.flatten(2) / self.temperature, dim=2).view_as(maps)
        # x̄ = Σ p(i, j) x_j,  ȳ = Σ p(i, j) y_i;  (B, C) each
        return torch.cat([share.sum(2) @ self.x, share.sum(3) @ self.y], dim=1)


@ENCODERS.register("spatial")
class Spatial(PixelEncoder):
    """3×3 convolutions and a spatial softmax: `points` places in the pictures."""

    def __init__(self, space: gym.Space, points: int = 32, bf16: bool = False):
        super().__init__(space, 2 * points, bf16)

    @staticmethod
    def trunk(shape: tuple[int, int, int], features: int) -> nn.Module:
        """(B, *shape) to (B, features)."""
        convolutions = small_kernels(shape[0], features // 2)
        with torch.no_grad():
            height, width = convolutions(torch.zeros(1, *shape)).shape[2:]
        return nn.Sequential(convolutions, SpatialSoftmax(height, width))
