"""Exercise 3 of chapter 10 (implement, 15 minutes): a robot whose commands arrive late and too short.

Fill in `arriving`, then check it (5 seconds; the last case takes the answer of the product's wrapper):

    bash docker/dev.sh python scripts/exercises/ch10_3.py

Round 4 of "BUILD IT" does the first half, one step at a time; the solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check


def arriving(actions: np.ndarray, delay: int, gain: float) -> np.ndarray:
    """(T, A): what reaches the simulator in each step of an episode in which a policy sends `actions` (T, A).

    u_t = clip(gain · a_(t − delay), −1, 1), and 0 until the first action arrives. Actions of the last `delay` steps
    never arrive.
    """
    ...


def cases() -> Iterator[Case]:
    """Each half alone, both, and the wrapper."""
    ramp = np.array([[0.1], [0.2], [0.3], [0.4]])
    yield Case(
        "two steps late", (ramp, 2, 1.0), np.array([[0.0], [0.0], [0.1], [0.2]]),
        "nothing arrives in the first two steps, and the last two actions never do",
    )  # fmt: skip
    yield Case("no delay, half the gain", (ramp, 0, 0.5), ramp / 2, "without a delay every action arrives at once")
    yield Case(
        "a gain that saturates", (np.array([[0.9, -0.9, 0.2]]), 0, 1.5), np.array([[1.0, -1.0, 0.3]]),
        "the simulator clips what arrives, after the gain",
    )  # fmt: skip
    yield from against_the_wrapper()


def against_the_wrapper() -> Iterator[Case]:
    """Ten random actions through `plant`."""
    from envs.task import Task

    env, rng = Task("FetchReach-v4", ("plant:delay=3,gain=1.2",)).make(), np.random.default_rng(0)
    env.reset(seed=0)
    actions, arrived = rng.uniform(-1, 1, (10, 4)).astype(np.float32), []
    for action in actions:
        env.step(action)
        arrived.append(env.get_wrapper_attr("applied_action"))
    yield Case("ten actions through `plant:delay=3,gain=1.2`", (actions, 3, 1.2), np.array(arrived), "the same rules")


if __name__ == "__main__":
    sys.exit(check(arriving, cases))
