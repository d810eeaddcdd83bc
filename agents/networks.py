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
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first
from stable_baselines3.common.vec_env import VecTransposeImage

from common.registry import Registry

BUILT_IN = ("blind", "cnn", "locating", "manipulation", "nature", "spatial_softmax")
ENCODERS = Registry("encoder", tuple(f"agents.encoders.{name}" for name in BUILT_IN))
# What an encoder of pictures must never read: the pictures are there to tell it. The replay needs the achieved goal,
# and a critic may be told the task's own observation while it trains (agents/asymmetric.py).
PRIVILEGED = ("achieved_goal", "truth")


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
