"""The parts of a policy: its name, its layers and its encoder, from the settings and the observation space alone.

Both backends build their policies from here, and so does the loading of a checkpoint. An encoder turns an observation
into features; with none, an observation is its own features, and images go through Stable-Baselines3's `NatureCNN`.
To bring one:

    # my_module.py; python train.py … --encoder my_module:tiny:features=32
    from agents.networks import ENCODERS

    @ENCODERS.register("tiny")
    class Tiny(BaseFeaturesExtractor):
        def __init__(self, space: gym.Space, features: int = 64): ...
        def forward(self, observation): ...     # (B, …), or a dictionary of them -> (B, features)

It gets what Stable-Baselines3 gives its extractors: float tensors, images channel first and between 0 and 1.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecTransposeImage
from torch import Tensor, nn

from common.registry import Registry

ENCODERS = Registry(
    "encoder",
    tuple(f"agents.encoders.{name}" for name in ("blind", "locating", "manipulation", "nature", "spatial_softmax")),
)


# What an encoder of pictures must never read: the pictures are there to tell it. The replay needs the achieved goal,
# and a critic may be told the task's own observation while it trains (agents/asymmetric.py).
PRIVILEGED = ("achieved_goal", "truth")


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


def policy_name(space: gym.Space) -> str:
    """Stable-Baselines3's name of the policy for this observation space: dictionaries are concatenated."""
    if isinstance(space, gym.spaces.Dict):
        return "MultiInputPolicy"
    return "CnnPolicy" if is_image_space(space) else "MlpPolicy"


def policy_arguments(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The policy's own keyword arguments. Raises `UserError` on an encoder that does not exist."""
    arguments: dict[str, Any] = {"net_arch": list(settings["net_arch"])}
    if settings.get("encoder"):
        spec, maker = ENCODERS.find(settings["encoder"])
        arguments |= {"features_extractor_class": maker, "features_extractor_kwargs": spec.arguments}
    return arguments


def stock_space(space: gym.Space) -> gym.Space:
    """`space` as Stable-Baselines3's learners see it: images channel first."""
    if isinstance(space, gym.spaces.Dict):
        # An ordered dictionary: Gymnasium sorts the keys of a plain one, and the networks' inputs stand in their order.
        return gym.spaces.Dict(OrderedDict((key, stock_space(part)) for key, part in space.spaces.items()))
    if is_image_space(space) and not is_image_space_channels_first(space):
        return VecTransposeImage.transpose_space(space)
    return space


def vector_size(space: gym.Space) -> int:
    """Numbers in an observation, images not counted: convolutions stand between them and the layers."""
    parts = space.spaces.values() if isinstance(space, gym.spaces.Dict) else [space]
    return sum(gym.spaces.flatdim(part) for part in parts if not is_image_space(part))
