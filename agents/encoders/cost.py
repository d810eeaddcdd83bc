"""What an encoder costs, counted before anything is trained: multiplications a picture, and seconds an update."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import nn

from agents.networks import ENCODERS
from common.errors import UserError

BUILT_IN = ("nature", "manipulation", "spatial", "cnn")


def pictures(size: int, channels: int = 3) -> gym.spaces.Dict:
    """A task that shows one picture (channels, size, size)."""
    return gym.spaces.Dict({"pixels": gym.spaces.Box(0, 255, (channels, size, size), np.uint8)})


def multiplications(encoder: nn.Module, space: gym.spaces.Dict) -> int:
    """Multiply-adds of convolutions and linear layers for one picture; the rest is not worth counting."""
    found = []

    def note(layer: nn.Module, _: Any, output: torch.Tensor) -> None:
        # Each output number is a sum over one filter: C_in · k · k products, or as many as there are inputs.
        found.append(output[0].numel() * layer.weight[0].numel())

    hooks = [m.register_forward_hook(note) for m in encoder.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        encoder({key: torch.zeros(1, *box.shape) for key, box in space.spaces.items()})
    for hook in hooks:
        hook.remove()
    return sum(found)


def update_seconds(encoder: nn.Module, space: gym.spaces.Dict, batch: int, repeats: int = 3) -> float:
    """CPU seconds that the encoder takes of an update: `batch` pictures forward and backward, the next ones forward."""
    seen = {key: torch.rand(batch, *box.shape) for key, box in space.spaces.items()}

    def once() -> None:
        encoder(seen).square().mean().backward()
        with torch.no_grad():
            encoder(seen)

    once()
    began = time.process_time()
    for _ in range(repeats):
        once()
    return (time.process_time() - began) / repeats


def costs(sizes: Sequence[int], batch: int) -> dict[str, Any]:
    """A row for each built-in encoder and size; an encoder that cannot read pictures so small is left out.

    `sizes` in pixels, `update_ms` of the processor. Raises `UserError` on a size below 1.
    """
    if min(sizes) < 1:
        raise UserError("--sizes: a picture has at least one pixel.")
    rows = []
    for size in sizes:
        space = pictures(size)
        for name in BUILT_IN:
            try:
                encoder = ENCODERS.build(name, space)
            except UserError:
                continue
            macs, seconds = multiplications(encoder, space), update_seconds(encoder, space, batch)
            row = {"million_macs": round(macs / 1e6, 2), "update_ms": round(1e3 * seconds, 1)}
            rows.append({"encoder": name, "size": size} | row)
    return {"batch": batch, "threads": torch.get_num_threads(), "rows": rows}


def costs_text(data: dict[str, Any]) -> str:
    """What `costs` found, a line a row."""
    return "\n".join(
        f"{row['encoder']:13s} {row['size']:3d} px {row['million_macs']:6.1f} M multiplications a picture, "
        f"{row['update_ms']:6.0f} ms an update of {data['batch']}"
        for row in data["rows"]
    )
