"""Exercise 3 of chapter 08 (implement, 20 minutes): relabel a whole batch without a loop.

Fill in `relabel`, then check it (2 seconds):

    bash docker/dev.sh python scripts/exercises/ch08_3.py

The solution is in the chapter's page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check

THRESHOLD = 0.05  # m


def relabel(
    achieved: np.ndarray, episode: np.ndarray, step: np.ndarray, uniform: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """New goals (B, 3) and rewards (B,) for B transitions, by the "future" strategy.

    `achieved` (E, T + 1, 3): achieved goals of E episodes of T steps; row 0 is that of the reset, and row t + 1 what
    step t achieved. Transition i is step `step[i]` (0 to T − 1) of episode `episode[i]`. Its later step t' is uniform
    in step, …, T − 1, made from `uniform[i]` in [0, 1): step + floor(uniform * (T - step)). The goal is what t'
    achieved; the reward is 0 where what the transition itself achieved is within THRESHOLD of it, else −1.
    """
    ...


def cases() -> Iterator[Case]:
    """Episodes that say where their points come from, then the edges of the interval."""
    # Two episodes of four steps; the first number of a point is 10 * episode + row.
    points = np.zeros((2, 5, 3))
    points[:, :, 0] = 10 * np.arange(2)[:, None] + np.arange(5)
    yield Case(
        "uniform 0: the step's own achievement", (points, np.array([0, 1]), np.array([1, 3]), np.zeros(2)),
        (points[[0, 1], [2, 4]], np.zeros(2)),
        "step t achieves row t + 1; with uniform 0 the later step is the step itself, and its reward is 0",
    )  # fmt: skip
    yield Case(
        "uniform just below 1: the last step", (points, np.array([0, 0]), np.array([0, 2]), np.full(2, 0.999)),
        (points[[0, 0], [4, 4]], np.full(2, -1.0)),
        "the last step is T - 1, and it achieves row T; T is one less than the number of rows",
    )  # fmt: skip
    yield Case(
        "halfway through what is left", (points, np.array([1]), np.array([2]), np.array([0.5])),
        (points[[1], [4]], np.array([-1.0])),
        "the later step is drawn from what is left of the episode, not from all of it",
    )  # fmt: skip
    still = np.zeros((1, 5, 3))
    still[0, :, 2] = [0.5, 0.5, 0.53, 0.54, 0.9]
    yield Case(
        "an object that hardly moves: solved by hindsight", (still, np.zeros(3, int), np.array([0, 0, 1]),
                                                             np.array([0.3, 0.99, 0.5])),
        (still[0, [2, 4, 3]], np.array([0.0, -1.0, 0.0])),
        "compare what the transition achieved, row step + 1, with the new goal, not what the state before it had",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(relabel, cases))
