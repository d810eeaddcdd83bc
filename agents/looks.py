"""What a policy from pixels looks at: the points of its spatial softmax, or how much each part of a picture matters.

The points are what the encoder hands on. The influence is measured from outside and works for any encoder: a part of
the picture is covered, and the action changes by so much, or not at all (Zeiler and Fergus 2014, arXiv:1311.2901).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.policies import BasePolicy
from torch import nn

from agents.encoders.spatial_softmax import SpatialSoftmax

# Pixels: a window of 10 in a picture of 64 covers the block and little else.
WINDOW, STRIDE = 10, 3


def grid_of(convolutions: nn.Module) -> tuple[float, int]:
    """The pixel in the middle of what the first output of convolutions in a row sees, and pixels from output to output.

    Without padding they see from border to border, but the middles of their outputs keep half a view away from it.
    """
    first, step = 0.0, 1
    for layer in convolutions.modules():
        if isinstance(layer, nn.Conv2d):
            first += step * ((layer.kernel_size[0] - 1) / 2 - layer.padding[0])
            step *= layer.stride[0]
    return first, step


def points(policy: BasePolicy, observation: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray] | None:
    """Mean places (C, 2) as (x, y) in pixels of the first encoder's C maps, and how wide each map is spread (C,).

    The spread is the standard deviation of the place in pixels: a map that is high everywhere has a mean place, too,
    which means nothing. None where the encoder has no spatial softmax.
    """
    trunks = (module for module in policy.modules() if isinstance(module, nn.Sequential))
    trunk = next((each for each in trunks if any(isinstance(part, SpatialSoftmax) for part in each)), None)
    if trunk is None:
        return None
    found = next(part for part in trunk if isinstance(part, SpatialSoftmax))
    seen: list[torch.Tensor] = []
    handle = found.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    policy.predict(observation, deterministic=True)
    handle.remove()
    maps = seen[0]
    with torch.no_grad():
        p = torch.softmax(maps.flatten(2) / found.temperature, dim=2).view_as(maps)
        along = [p.sum(2)[0], p.sum(3)[0]]  # of x and of y, (C, W) and (C, H)
        axes = [found.x, found.y]
        means = [share @ axis for share, axis in zip(along, axes, strict=True)]
        # Var x = E x² − (E x)²
        spread = sum(
            share @ axis.square() - mean.square() for share, axis, mean in zip(along, axes, means, strict=True)
        )
    # −1 and 1 are the first and the last output of the convolutions, not the borders of the picture.
    first, step = grid_of(trunk)
    half = step * (maps.shape[-1] - 1) / 2
    return first + (torch.stack(means, dim=1).numpy() + 1) * half, half * spread.clamp(min=0).sqrt().numpy()


def influence(policy: BasePolicy, observation: dict[str, np.ndarray]) -> np.ndarray:
    """How far the action moves when a window around each place is covered with the picture's mean colour.

    (n, n) for a grid of places `STRIDE` pixels apart: the largest change of an action's component, which lies in
    [−1, 1]. All views and stacked frames are covered at the same place.
    """
    picture = observation["pixels"]
    size = picture.shape[-1]
    starts = range(0, size - WINDOW + 1, STRIDE)
    grey = picture.mean(axis=(1, 2), keepdims=True).astype(np.uint8)
    covered = np.repeat(picture[None], len(starts) ** 2, axis=0)
    for k, (row, column) in enumerate((r, c) for r in starts for c in starts):
        covered[k, :, row : row + WINDOW, column : column + WINDOW] = grey
    many: dict[str, Any] = {key: np.repeat(value[None], len(covered), axis=0) for key, value in observation.items()}
    changed, _ = policy.predict(many | {"pixels": covered}, deterministic=True)
    before, _ = policy.predict(observation, deterministic=True)
    return np.abs(changed - before).max(axis=1).reshape(len(starts), -1)
