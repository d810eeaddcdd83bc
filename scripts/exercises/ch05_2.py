"""Exercise 2 of chapter 05 (implement, 15 minutes): targets that survive another constant in the reward.

The recipe clips its TD targets to [-1 / (1 - gamma), 0], which is right for rewards of -1 and 0. With c added to every
reward it is wrong, and for c = 1 nothing at all is learned. Fill in `clipped_targets` for any c, then check it (1
second; the last case compares whole value functions):

    bash docker/dev.sh python scripts/exercises/ch05_2.py

"HOW" derives what the constant does to values; the solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check


def clipped_targets(rewards: np.ndarray, next_values: np.ndarray, gamma: float, c: float) -> np.ndarray:
    """TD targets (B,) clipped to the least and the greatest return that is possible.

    `rewards` (B,) include the constant: they lie in [c - 1, c]. `next_values` (B,) are the critics' estimates of the
    next state. No step is terminal.
    """
    ...


def cases() -> Iterator[Case]:
    """Without a constant, with one, and what an iteration of it comes to."""
    zeros = np.zeros(3)
    yield Case(
        "no constant: as the recipe does", (np.array([-1.0, 0.0, -1.0]), np.array([-30.0, 5.0, -10.0]), 0.95, 0.0),
        np.array([-20.0, 0.0, -10.5]), "y = r + gamma V', then at least -1 / (1 - gamma) and at most 0",
    )  # fmt: skip
    yield Case(
        "rewards of 0 and 1", (np.array([0.0, 1.0, 1.0]), np.array([-3.0, 25.0, 10.0]), 0.95, 1.0),
        np.array([0.0, 20.0, 10.5]), "with c = 1 returns lie between 0 and 1 / (1 - gamma) = 20: both bounds move",
    )  # fmt: skip
    yield Case(
        "rewards of -2 and -1", (np.array([-2.0, -1.0]), np.array([-90.0, 0.0]), 0.95, -1.0), np.array([-40.0, -20.0]),
        "with c = -1 even the best return is -1 / (1 - gamma) = -20",
    )  # fmt: skip

    def spread(targets: np.ndarray) -> float:
        return float(np.ptp(targets))

    yield Case(
        "the same differences for every constant", (np.array([0.0, -1.0, -1.0]) + 7, zeros + 140 - 4, 0.95, 7.0),
        spread(np.array([0.0, -1.0, -1.0])), "c moves all values by c / (1 - gamma) and their differences by nothing",
        of=spread,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(clipped_targets, cases))
