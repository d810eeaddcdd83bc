"""Exercise 3 of chapter 09 (implement, 20 minutes): DrQ's target, averaged over shifts.

Fill in `targets`, then check it (2 seconds):

    bash docker/dev.sh python scripts/exercises/ch09_3.py

"HOW" has the equation; the solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from common.exercises import Case, check


def targets(rewards: Tensor, discounts: Tensor, images: Tensor, value: Callable, shift: Callable, k: int) -> Tensor:
    """y (B,) of B transitions: r + d V(s'), V averaged over k shifts of the next images, and no gradient.

    `rewards`, `discounts` (B,): d is γ, or 0 where the task ended. `images` (B, C, H, W): what was seen after the step.
    `value`: images (B, C, H, W) to V (B,). `shift`: images to images of the same shape, drawn anew at each call.
    """
    ...


class Rolled:
    """A shift that moves the picture by one more pixel each time that it is asked."""

    def __init__(self) -> None:
        self.by = 0

    def __call__(self, images: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        self.by += 1
        return images.roll(self.by, dims=3)


def first_column(images: Tensor) -> Tensor:
    """A value that a shift changes and that is not linear in the picture: the first column's mean, squared, (B,)."""
    return images[:, :, :, 0].mean(dim=(1, 2)).square()


def cases() -> Iterator[Case]:
    """One shift, three of them, an episode that ended, and gradients."""
    images = torch.arange(4.0).expand(2, 1, 3, 4) * torch.tensor([1.0, 2.0])[:, None, None, None]
    rewards, discounts = torch.tensor([-1.0, 0.0]), torch.tensor([0.5, 0.5])
    yield Case(
        "one shift", (rewards, discounts, images, first_column, Rolled(), 1), torch.tensor([3.5, 18.0]),
        "rolled by one pixel the first column holds 3, and 6 in the other picture; V is its square: y = r + 0.5 * 9, "
        "and 0.5 * 36",
    )  # fmt: skip
    yield Case(
        "three shifts", (rewards, discounts, images, first_column, Rolled(), 3), torch.tensor([4 / 3, 28 / 3]),
        "draw a shift for each of the k terms: values 9, 4, 1 have the mean 14 / 3. One shift used three times gives "
        "9, the value of the mean picture is 4, and the sum is 14",
    )  # fmt: skip
    yield Case(
        "an episode that ended", (rewards, torch.zeros(2), images, first_column, Rolled(), 2), rewards,
        "with d = 0 nothing of what comes after counts",
    )  # fmt: skip
    weight = torch.ones(1, requires_grad=True)
    yield Case(
        "no gradient", (rewards, discounts, images, lambda seen: weight * first_column(seen), Rolled(), 1), False,
        "y is what the critic is to become: it must not be moved towards the critic", of=lambda y: y.requires_grad,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(targets, cases))
