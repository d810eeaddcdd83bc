"""Pictures changed at random when they are sampled from the replay, so that an encoder cannot learn them by heart.

    python train.py … --encoder manipulation --augment shift:pad=4

A batch is changed anew each time that it is drawn; the replay keeps the picture as it was. The frames of one stack
change together, or motion would appear between them. Randomness is PyTorch's, seeded by the run. An augmentation is
made with the space of the pictures (C, H, W) and its own arguments, and joins as an encoder does (agents/networks.py).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import torch
from stable_baselines3.common.preprocessing import is_image_space
from torch import Tensor
from torch.nn import functional

from common.registry import Registry

AUGMENTATIONS = Registry("augmentation")
Augmentation = Callable[[Tensor], Tensor]


@AUGMENTATIONS.register("shift")
class Shift:
    """Random shift (DrQ, arXiv:2004.13649): `pad` pixels of the border repeated all around, then a random window."""

    def __init__(self, space: gym.Space, pad: int = 4):
        if not 1 <= pad <= 64:
            raise ValueError("pad must lie between 1 and 64 pixels.")
        self.pad = pad

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape, each image moved by up to `pad` whole pixels."""
        height, width = images.shape[2:]
        padded = functional.pad(images, (self.pad,) * 4, mode="replicate")
        corners = torch.randint(2 * self.pad + 1, (len(images), 2)).tolist()
        # Slices of each image: indexing all at once takes ten times as long on a processor.
        return torch.stack(
            [image[:, y : y + height, x : x + width] for image, (y, x) in zip(padded, corners, strict=True)]
        )


@AUGMENTATIONS.register("crop")
class Crop:
    """Random crop (RAD, arXiv:2004.14990), enlarged to the full size again: a window of `share` of height and width."""

    def __init__(self, space: gym.Space, share: float = 0.9):
        if not 0.3 <= share <= 1:
            raise ValueError("share must lie between 0.3 and 1.")
        self.share = share

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to the same shape."""
        # In coordinates from −1 to 1 the window's centre may be this far from the picture's.
        room = 1.0 - self.share
        centres = room * (2.0 * torch.rand(len(images), 2, device=images.device) - 1.0)
        scale = torch.eye(2, device=images.device).expand(len(images), 2, 2) * self.share
        grid = functional.affine_grid(torch.cat([scale, centres[:, :, None]], dim=2), list(images.shape), False)
        return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


@AUGMENTATIONS.register("jitter")
class Jitter:
    """Colour jitter: red, green and blue each multiplied by 1 ± `gain` and moved by ± `offset`, kept in [0, 1]."""

    def __init__(self, space: gym.Space, gain: float = 0.2, offset: float = 0.1):
        if not (0 <= gain < 1 and 0 <= offset < 1):
            raise ValueError("gain and offset must lie between 0 and 1.")
        if space.shape[0] % 3:
            raise ValueError(f"red, green and blue are needed; there are {space.shape[0]} channels.")
        self.gain, self.offset = gain, offset

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3 k, H, W) in [0, 1] to the same; all k pictures of a stack change alike."""
        shape = (2, len(images), 3, 1, 1)
        gain, offset = 2.0 * torch.rand(shape, device=images.device) - 1.0
        repeats = (1, images.shape[1] // 3, 1, 1)
        gain, offset = (1.0 + self.gain * gain).repeat(repeats), (self.offset * offset).repeat(repeats)
        return (images * gain + offset).clamp(0.0, 1.0)


def augmentation(text: str, space: gym.Space) -> Callable[[Any], Any]:
    """A function that changes the images among observations of `space` as `text` says; `none` leaves them alone.

    Raises `UserError` on an augmentation that does not exist.
    """
    if text == "none":
        return lambda observations: observations
    images = {key: box for key, box in getattr(space, "spaces", {}).items() if is_image_space(box)}
    change = {key: AUGMENTATIONS.build(text, box) for key, box in images.items()}

    def augment(observations: dict[str, Tensor]) -> dict[str, Tensor]:
        return observations | {key: change[key](observations[key]) for key in change}

    return augment
