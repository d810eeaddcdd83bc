"""Exercise 2 of chapter 03 (implement, 15 minutes): the density of an action that went through tanh.

Fill in `log_density`, then check it (2 seconds):

    bash docker/dev.sh python scripts/exercises/ch03_2.py

The chapter derives it in "HOW"; its solution is at the end of the page.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from common.exercises import Case, check


def log_density(mean: Tensor, log_std: Tensor, noise: Tensor) -> Tensor:
    """log π(a | s), (B,), of actions a = tanh(μ + σ ε) with A entries.

    `mean` μ, `log_std` log σ and `noise` ε: (B, A), double precision. The density is with respect to a, not to μ + σ ε,
    and the entries are independent.
    """
    ...


def cases() -> Iterator[Case]:
    """One entry that can be worked out by hand, then more entries, an edge, and an area."""
    zero = torch.zeros(1, 1).double()
    yield Case(
        "mean 0, std 1, noise 0: tanh has slope 1 there", (zero, zero, zero), [-0.5 * math.log(2 * math.pi)],
        "at u = 0 nothing is squashed: log N(0 | 0, 1) = -log(2 pi) / 2",
    )  # fmt: skip
    yield Case(
        "mean 0, std 0.5, noise 0", (zero, zero + math.log(0.5), zero), [-0.5 * math.log(2 * math.pi) + math.log(2)],
        "a narrower Gaussian is higher: log N has the term -log sigma",
    )  # fmt: skip
    u = torch.tensor([[0.8]]).double()
    yield Case(
        "mean 0, std 1, noise 0.8: the change of variables", (zero, zero, u),
        [-0.32 - 0.5 * math.log(2 * math.pi) - math.log(1 - math.tanh(0.8) ** 2)],
        "tanh squeezes u into a with slope 1 - a^2, so the density of a is that of u divided by it: subtract "
        "log(1 - a^2)",
    )  # fmt: skip
    yield Case(
        "two entries that are the same", (zero.expand(1, 2), zero.expand(1, 2), u.expand(1, 2)),
        [2 * (-0.32 - 0.5 * math.log(2 * math.pi) - math.log(1 - math.tanh(0.8) ** 2))],
        "independent entries multiply: sum the logarithms over the action, and return one number a row",
    )  # fmt: skip
    yield Case(
        "mean 25: the action rounds to 1", (zero + 25, zero, zero),
        [-0.5 * math.log(2 * math.pi) + 50 - 2 * math.log(2)],
        "here 1 - tanh(u)^2 rounds to 0 and its logarithm to minus infinity; 2 * (log 2 - u - softplus(-2 u)) is the "
        "same and does not",
    )  # fmt: skip
    cells = torch.linspace(-1 + 5e-5, 1 - 5e-5, 20_000).double()[:, None]
    mean, log_std = torch.full_like(cells, 0.4), torch.full_like(cells, -0.7)
    noise = (torch.atanh(cells) - mean) / log_std.exp()
    yield Case(
        "the density of 20,000 actions from -1 to 1 has area 1", (mean, log_std, noise), 1.0,
        "a density integrates to 1 over the actions", of=lambda result: result.exp().sum() * 1e-4, tolerance=1e-3,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(log_density, cases))
