"""What the encoders from pixels share: which observations they may read, how vectors are normalised, how parts join.

An encoder here reads every picture and every vector that the task shows, except `achieved_goal`: where the object is,
the pictures are there to tell. It is in the dictionary for the replay alone (wrappers/pixels.py).
"""

from __future__ import annotations

from abc import abstractmethod

import gymnasium as gym
import torch
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from agents.kernels.onednn import native_bf16
from agents.networks import PRIVILEGED


class RunningNorm(nn.Module):
    """(x − mean) / deviation of vectors (B, D), both learned from the batches of training.

    A gripper that moves by 15 cm about x = 1.34 m would be a constant and a little noise to the layers behind it. The
    moments move only where gradients are computed, so acting and targets leave them alone; they are buffers, and come
    with the weights into checkpoints.
    """

    # Below this spread (in the entry's own unit) an entry is a constant and is only centred.
    SMALLEST = 1e-4
    # After so many vectors the average becomes a moving one.
    LONGEST = 1_000_000.0

    def __init__(self, size: int):
        super().__init__()
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("variance", torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        """(B, D) to (B, D)."""
        if self.training and torch.is_grad_enabled():
            self._observe(x.detach())
        return (x - self.mean) / self.spread()

    def spread(self) -> Tensor:
        """What x is divided by, (D,)."""
        deviation = self.variance.sqrt()
        return torch.where(deviation > self.SMALLEST, deviation, 1.0)

    @torch.no_grad()
    def _observe(self, x: Tensor) -> None:
        n = len(x)
        weight = n / (self.count + n)
        shift = x.mean(0) - self.mean
        # Chan et al. 1979: the pooled variance of two samples
        self.variance += weight * (x.var(0, unbiased=False) - self.variance + (1.0 - weight) * shift.square())
        self.mean += weight * shift
        self.count.add_(n).clamp_(max=self.LONGEST)


class Convolutions(nn.Sequential):
    """Convolutions in a row; with `bf16`, they are computed in bfloat16 while training on a processor.

    A bfloat16 has float32's range and 8 bits of precision. Processors with instructions for it multiply twice as many
    at once and, what matters more here, move half as many bytes; where there are none, all is float32. Weights stay
    float32, and what is evaluated or deployed (`eval()`) computes in float32 as ever.
    """

    def __init__(self, *layers: nn.Module, bf16: bool = False):
        super().__init__(*layers)
        self.bf16 = bf16

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to what the last layer makes of it, float32."""
        if not (self.bf16 and self.training and images.device.type == "cpu"):
            return super().forward(images)
        with torch.autocast("cpu", torch.bfloat16):
            return super().forward(images.contiguous(memory_format=torch.channels_last)).float()


class PixelEncoder(BaseFeaturesExtractor):
    """All pictures, stacked along their channels, through `trunk`; beside what comes out, the normalised vectors.

    A subclass says what its trunk is, and how many numbers `features` it makes of the pictures.
    """

    def __init__(self, space: gym.Space, features: int, bf16: bool = False):
        boxes = dict(space.spaces) if isinstance(space, gym.spaces.Dict) else {"": space}
        images = [key for key, box in boxes.items() if is_image_space(box)]
        vectors = [key for key in boxes if key not in images and key not in PRIVILEGED]
        if not images:
            raise ValueError("there is no image in what the task shows")
        if len({boxes[key].shape[1:] for key in images}) > 1:
            raise ValueError("its images are of different sizes")
        sizes = {key: gym.spaces.utils.flatdim(boxes[key]) for key in vectors}
        super().__init__(space, features + sum(sizes.values()))
        self.images, self.vectors = images, vectors
        channels = sum(boxes[key].shape[0] for key in images)
        size = boxes[images[0]].shape[1:]
        try:
            self.look = self.trunk((channels, *size), features)
            for layer in self.look.modules():
                if isinstance(layer, Convolutions):
                    layer.bf16 = bf16 and native_bf16()
        except RuntimeError:
            # PyTorch's own word for it: a kernel is larger than what is left of the picture.
            raise ValueError(f"pictures of {size[0]} by {size[1]} pixels are too small for its convolutions") from None
        self.norms = nn.ModuleDict({key: RunningNorm(size) for key, size in sizes.items()})

    @staticmethod
    @abstractmethod
    def trunk(shape: tuple[int, int, int], features: int) -> nn.Module:
        """(B, *shape) with values about 0 to (B, features)."""

    def forward(self, observation: Tensor | dict[str, Tensor]) -> Tensor:
        """Features (B, F); images come as (B, C, H, W) between 0 and 1."""
        parts = observation if isinstance(observation, dict) else {"": observation}
        vectors = (self.norms[key](parts[key].flatten(1)) for key in self.vectors)
        return torch.cat([self.see(parts), *vectors], dim=1)

    def see(self, parts: dict[str, Tensor]) -> Tensor:
        """What `trunk` makes of all pictures, (B, features)."""
        # (B, ΣC, H, W) -> (B, features)
        return self.look(torch.cat([parts[key] for key in self.images], dim=1) - 0.5)


def summary(convolutions: nn.Module, shape: tuple[int, int, int], features: int) -> nn.Sequential:
    """`convolutions` of (B, *shape), flattened into `features` numbers in (−1, 1)."""
    with torch.no_grad():
        size = convolutions(torch.zeros(1, *shape)).numel()
    # LayerNorm and tanh keep the scale of what the critic reads, whatever the convolutions do (DrQ, arXiv:2004.13649).
    return nn.Sequential(convolutions, nn.Flatten(), nn.Linear(size, features), nn.LayerNorm(features), nn.Tanh())
