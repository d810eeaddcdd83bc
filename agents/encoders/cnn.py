"""The smallest encoder that learns: four convolutions over each picture, joined by what else a policy may see."""

from __future__ import annotations

import gymnasium as gym
import torch
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from agents.networks import ENCODERS, PRIVILEGED


@ENCODERS.register("cnn")
class SmallCnn(BaseFeaturesExtractor):
    """Four convolutions over each image (DrQ's encoder, arXiv:2004.13649), joined by what else a policy may see.

    `features`: numbers that are made of each image. `images_only`: leave the rest out, so that the policy acts on what
    it sees.
    """

    def __init__(self, space: gym.Space, features: int = 50, images_only: bool = False):
        self.boxes = dict(space.spaces) if isinstance(space, gym.spaces.Dict) else {"": space}
        self.images = [key for key, box in self.boxes.items() if is_image_space(box)]
        self.others = [] if images_only else [key for key in self.boxes if key not in (*self.images, *PRIVILEGED)]
        if not self.images:
            raise ValueError("there is no image in what the task shows")
        sizes = [gym.spaces.utils.flatdim(self.boxes[key]) for key in self.others]
        super().__init__(space, features * len(self.images) + sum(sizes))
        try:
            self.encoders = nn.ModuleList([self._encoder(self.boxes[key].shape, features) for key in self.images])
        except RuntimeError:
            # PyTorch's own word for it: a kernel is larger than what is left of the picture.
            raise ValueError("its images are too small for four convolutions") from None

    @staticmethod
    def _encoder(shape: tuple[int, ...], features: int) -> nn.Sequential:
        layers: list[nn.Module] = []
        for inputs, stride in ((shape[0], 2), (32, 1), (32, 1), (32, 1)):
            layers += [nn.Conv2d(inputs, 32, 3, stride), nn.ReLU()]
        convolutions = nn.Sequential(*layers, nn.Flatten())
        with torch.no_grad():
            size = convolutions(torch.zeros(1, *shape)).shape[1]
        return nn.Sequential(convolutions, nn.Linear(size, features), nn.LayerNorm(features), nn.Tanh())

    def forward(self, observation: Tensor | dict[str, Tensor]) -> Tensor:
        """Features (B, F)."""
        parts = observation if isinstance(observation, dict) else {"": observation}
        # (B, C, H, W) -> (B, features) for each image
        seen = [encode(parts[key]) for key, encode in zip(self.images, self.encoders, strict=True)]
        return torch.cat([*seen, *(parts[key].flatten(1) for key in self.others)], dim=1)
