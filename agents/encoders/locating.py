"""An encoder that says where the object is, and how far that is from where it should be.

Three numbers of what it makes of the pictures are a prediction of the achieved goal, in the units in which the desired
goal is normalised. What the heads read is the difference to the desired goal beside it: for a policy from state that
difference is worth more than both goals apart, and the critics alone would have to find it in the pictures.

What the prediction is trained by stands in agents/locating.py. Here nothing but pictures, joints and the desired goal
is read.
"""

from __future__ import annotations

from typing import Literal

import gymnasium as gym
import torch
from torch import Tensor, nn

from agents.encoders.manipulation import Manipulation
from agents.encoders.parts import PixelEncoder
from agents.encoders.spatial_softmax import Spatial
from agents.networks import ENCODERS

TRUNKS = {"manipulation": Manipulation, "spatial": Spatial}


@ENCODERS.register("locating")
class Locating(PixelEncoder):
    """Features: the prediction (G), `features` numbers of the pictures, the vectors, desired minus predicted (G)."""

    def __init__(
        self, space: gym.Space, trunk: Literal["manipulation", "spatial"] = "spatial", features: int = 64,
        bf16: bool = False,
    ):  # fmt: skip
        self.trunk = TRUNKS[trunk].trunk
        super().__init__(space, features, bf16)
        if "desired_goal" not in self.vectors:
            raise ValueError("it compares with a desired goal, and there is none")
        self.goal = gym.spaces.flatdim(space["desired_goal"])
        self.point = nn.Sequential(nn.Linear(features, 64), nn.ReLU(), nn.Linear(64, self.goal))
        # Known now; the base class counted without them.
        self._features_dim += 2 * self.goal

    def forward(self, observation: dict[str, Tensor]) -> Tensor:
        """(B, G + F + V + G), the prediction first; only there its gradient goes on."""
        seen = self.see(observation)
        vectors = {key: self.norms[key](observation[key].flatten(1)) for key in self.vectors}
        predicted = self.point(seen)
        # ĝ − g, of normalised goals
        to_go = vectors["desired_goal"] - predicted.detach()
        return torch.cat([predicted, seen, *vectors.values(), to_go], dim=1)

    @torch.no_grad()
    def units(self, achieved: Tensor) -> Tensor:
        """Achieved goals (B, G), m, as the prediction should say them."""
        return self.norms["desired_goal"](achieved)

    def metres(self, error: Tensor) -> Tensor:
        """A difference of predictions (B, G) in m."""
        spread = self.norms["desired_goal"].spread()
        return error * spread
