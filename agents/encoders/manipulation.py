"""Small kernels for small objects: 3×3 convolutions, the first two of which halve the picture.

DrQ's encoder halves it once, and costs five times as many multiplications. The first layer is the largest picture that
activations are kept of, and on a processor moving them costs more than multiplying: so it is half as wide as the rest
(scripts/labs/visual_encoder.py counts and times).
"""

from __future__ import annotations

import gymnasium as gym
from torch import nn

from agents.encoders.parts import Convolutions, PixelEncoder, summary
from agents.networks import ENCODERS


def small_kernels(channels: int, width: int = 32) -> Convolutions:
    """3×3 convolutions of `width` channels with strides 2, 2, 1, 1, the first half as wide; the last is linear."""
    layers: list[nn.Module] = []
    for inputs, outputs, stride in (
        (channels, width // 2, 2), (width // 2, width, 2), (width, width, 1), (width, width, 1)
    ):  # fmt: skip
        layers += [nn.Conv2d(inputs, outputs, 3, stride), nn.ReLU()]
    return Convolutions(*layers[:-1])


@ENCODERS.register("manipulation")
class Manipulation(PixelEncoder):
    """3×3 convolutions, flattened: `features` numbers of the pictures."""

    def __init__(self, space: gym.Space, features: int = 64, bf16: bool = False):
        super().__init__(space, features, bf16)

    @staticmethod
    def trunk(shape: tuple[int, int, int], features: int) -> nn.Module:
        """(B, *shape) to (B, features)."""
        return summary(nn.Sequential(small_kernels(shape[0]), nn.ReLU()), shape, features)
