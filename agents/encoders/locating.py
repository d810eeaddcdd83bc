"""An encoder that says where the object is, in metres: vectors for the perceptrons behind it, as if it had been told.

It reads the pictures, and the joints, which say what the arm hides. What it is trained by stands in agents/locating.py;
nothing that a robot would not know is read here.
"""

from __future__ import annotations

from typing import Literal

import gymnasium as gym
import torch
from torch import Tensor, nn

from agents.encoders.manipulation import Manipulation
from agents.encoders.parts import PixelEncoder, RunningNorm
from agents.encoders.spatial_softmax import Spatial
from agents.networks import ENCODERS

TRUNKS = {"manipulation": Manipulation, "spatial": Spatial}


@ENCODERS.register("locating")
class Locating(PixelEncoder):
    """Features: the desired goal (G), the place (G) that the pictures show, m, and the joints (V)."""

    def __init__(
        self, space: gym.Space, trunk: Literal["manipulation", "spatial"] = "spatial", features: int = 64,
        bf16: bool = False,
    ):  # fmt: skip
        self.trunk = TRUNKS[trunk].trunk
        super().__init__(space, features, bf16)
        if "desired_goal" not in self.vectors:
            raise ValueError("it locates what a desired goal is for, and there is none")
        self.goal = gym.spaces.flatdim(space["desired_goal"])
        self.joints = [key for key in self.vectors if key != "desired_goal"]
        self.norms = nn.ModuleDict({key: self.norms[key] for key in self.joints})
        size = sum(gym.spaces.flatdim(space[key]) for key in self.joints)
        self.point = nn.Sequential(nn.Linear(features + size, 128), nn.ReLU(), nn.Linear(128, self.goal))
        self.places = RunningNorm(self.goal)
        # Known now; the base class counted something else.
        self._features_dim = 2 * self.goal + size

    def normalised(self, observation: dict[str, Tensor]) -> Tensor:
        """The place (B, G), in units of the spread of the places that were seen in training."""
        joints = [self.norms[key](observation[key].flatten(1)) for key in self.joints]
        return self.point(torch.cat([self.see(observation), *joints], dim=1))

    def place(self, observation: dict[str, Tensor]) -> Tensor:
        """The place (B, G), m."""
        return self.normalised(observation) * self.places.spread() + self.places.mean

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """(B, 2 G + V)."""
        joints = [observation[key].flatten(1) for key in self.joints]
        return torch.cat([observation["desired_goal"], self.place(observation), *joints], dim=1)
