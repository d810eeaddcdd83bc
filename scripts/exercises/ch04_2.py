"""Exercise 2 of chapter 04 (implement, 20 minutes): relabel a batch at once.

The lab relabels one transition at a time; a learner needs 200 of them in a tenth of a millisecond. Fill in `relabel`,
then check it (1 second; the last case takes the answer of Fetch's own reward):

    bash docker/dev.sh python scripts/exercises/ch04_2.py

"BUILD IT" shows where it belongs; its solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check


def relabel(achieved: np.ndarray, steps: np.ndarray, later: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """New goals (B, 3) and new rewards (B,) of B steps of one episode.

    `achieved` (T + 1, 3), in m: row t is what was achieved before step t, row T what the last step achieved.
    `steps` (B,): t of each transition; `later` (B,): t' >= t of the step whose achieved goal becomes its goal.
    The reward is 0 where what step t achieved is at most 5 cm from the new goal, else -1.
    """
    ...


def cases() -> Iterator[Case]:
    """An episode that moves 4 cm a step along x, then a real task's reward."""
    line = np.stack([0.04 * np.arange(6), np.zeros(6), np.zeros(6)], axis=1)
    yield Case(
        "a step gets its own achieved goal", (line, np.array([2]), np.array([2])), (line[[3]], np.array([0.0])),
        "step t achieves row t + 1: that row is the goal of t' = t, and reached",
    )  # fmt: skip
    yield Case(
        "one step later: 4 cm away", (line, np.array([2]), np.array([3])), (line[[4]], np.array([0.0])),
        "the reward compares what step t achieved, row t + 1, with row t' + 1: they are 4 cm apart, inside 5 cm",
    )  # fmt: skip
    yield Case(
        "two steps later: 8 cm away", (line, np.array([0, 2]), np.array([2, 4])),
        (line[[3, 5]], np.array([-1.0, -1.0])), "8 cm are more than 5 cm: the reward is -1, not 0 and not the distance",
    )  # fmt: skip
    height = np.array([[0.0, 0, 0], [0, 0, 0], [0, 0, 0.2], [0, 0, 0.2]])
    yield Case(
        "only the height differs", (height, np.array([0]), np.array([1])), (height[[2]], np.array([-1.0])),
        "the distance is over all three coordinates",
    )  # fmt: skip
    yield from against_the_task()


def against_the_task() -> Iterator[Case]:
    """200 steps of a random walk, judged by Fetch."""
    from envs.make import make_env

    rng, env = np.random.default_rng(0), make_env("FetchReach-v4")
    walk = np.cumsum(rng.normal(0, 0.02, (51, 3)), axis=0)
    steps = rng.integers(0, 50, 200)
    later = rng.integers(steps, 50)
    rewards = env.unwrapped.compute_reward(walk[steps + 1], walk[later + 1], {})
    expected = walk[later + 1], rewards
    yield Case("200 steps, judged by the task", (walk, steps, later), expected, "many steps at once, the same rules")


if __name__ == "__main__":
    sys.exit(check(relabel, cases))
