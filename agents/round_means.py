"""Means over a round of updates, logged under the names that Stable-Baselines3 uses.

A single update's loss says little, since it depends on which transitions were drawn.
"""

from __future__ import annotations

import torch
from torch import Tensor


class RoundMeans:
    """Mean of each measured scalar over the updates that measured it (TD3's actor: every second one).

    Sums stay tensors until `values`, so that nothing waits for a GPU.
    """

    def __init__(self) -> None:
        self.sums: dict[tuple[str, ...], Tensor] = {}
        self.counts: dict[tuple[str, ...], int] = {}

    def add(self, measured: dict[str, Tensor]) -> None:
        """Take in what one update measured: scalar tensors by name."""
        # One addition for all of them. Updates of one kind measure the same names in the same order.
        names, together = tuple(measured), torch.stack(list(measured.values()))
        self.sums[names] = self.sums[names] + together if names in self.sums else together
        self.counts[names] = self.counts.get(names, 0) + 1

    def values(self) -> dict[str, Tensor]:
        """The means so far, scalar tensors by name."""
        sums: dict[str, Tensor] = {}
        counts: dict[str, int] = {}
        for names, together in self.sums.items():
            for name, value in zip(names, together, strict=True):
                sums[name] = sums[name] + value if name in sums else value
                counts[name] = counts.get(name, 0) + self.counts[names]
        return {name: value / counts[name] for name, value in sums.items()}
