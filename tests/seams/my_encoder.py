"""An encoder from outside: one convolution and what the arm feels."""

from __future__ import annotations

import torch
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn

from agents.networks import ENCODERS


@ENCODERS.register("glance")
class Glance(BaseFeaturesExtractor):
    """A few numbers of the picture, and the goal that is asked for."""

    def __init__(self, space, features: int = 8):
        super().__init__(space, features + space["desired_goal"].shape[0])
        channels, height, width = space["picture"].shape
        self.look = nn.Sequential(
            nn.Conv2d(channels, 4, 4, 4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * (height // 4) * (width // 4), features)
        )

    def forward(self, observation):
        return torch.cat([self.look(observation["picture"]), observation["desired_goal"]], dim=1)
