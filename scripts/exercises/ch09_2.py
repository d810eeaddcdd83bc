"""Exercise 2 of chapter 09 (implement, 15 minutes): stacks from frames that are kept once.

A replay holds the frames of many episodes, one behind the other, each once. Fill in `stacks`, then check it (1 second):

    bash docker/dev.sh python scripts/exercises/ch09_2.py

Round 2 of "BUILD IT" does it for one step of one episode; the solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check


def stacks(frames: np.ndarray, begins: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """The stacks (B, k, H, W) that were shown at B rows of the replay, the oldest frame first.

    `frames` (N, H, W): one frame a row. `begins` (N,): the row in which the row's episode begins. `rows` (B,). Where an
    episode is younger than k frames, its first frame stands for those that there were not.
    """
    ...


def cases() -> Iterator[Case]:
    """Two episodes, of four and of three frames; each frame is filled with its row's number."""
    frames = np.arange(7.0)[:, None, None] * np.ones((1, 2, 2))
    begins = np.array([0, 0, 0, 0, 4, 4, 4])

    def expected(*numbers: list[int]) -> np.ndarray:
        return np.stack([frames[row] for row in numbers])

    yield Case(
        "the end of an episode", (frames, begins, np.array([3]), 3), expected([1, 2, 3]),
        "the newest frame is the row's own and comes last",
    )  # fmt: skip
    yield Case(
        "the beginning of the replay", (frames, begins, np.array([0, 1]), 3), expected([0, 0, 0], [0, 0, 1]),
        "before the first frame there was none: the first one stands for it, and row -1 is another episode's",
    )  # fmt: skip
    yield Case(
        "the beginning of the second episode", (frames, begins, np.array([4, 5]), 3), expected([4, 4, 4], [4, 4, 5]),
        "row 3 belongs to the episode before, and showing it here would be a frame that the policy never saw",
    )  # fmt: skip
    yield Case(
        "a batch from both", (frames, begins, np.array([6, 2, 4]), 2), expected([5, 6], [1, 2], [4, 4]),
        "each row has its own episode",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(stacks, cases))
