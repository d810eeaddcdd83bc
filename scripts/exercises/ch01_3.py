"""Exercise 3 of chapter 01 (implement, 15 minutes): reward and success for any goal.

Fill in `reward_and_success`, then check it (2 seconds; the last cases take the answers of the environment itself):

    bash docker/dev.sh python scripts/exercises/ch01_3.py

The solution is in the chapter's page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check

THRESHOLD = 0.05  # m


def reward_and_success(achieved: np.ndarray, desired: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sparse rewards and successes, (…,) each, of achieved goals (…, 3) for desired goals (…, 3), in m.

    The reward is −1 where the distance is larger than the threshold, else 0; success is a distance below it.
    """
    ...


def cases() -> Iterator[Case]:
    """Single pairs, the boundary, a batch, then what the environment says."""
    here = np.array([1.3, 0.7, 0.5])
    yield Case(
        "4 cm away: reached", (here, here + [0.04, 0, 0]), (0.0, True),
        "the reward is 0 and success is true inside of the threshold",
    )  # fmt: skip
    yield Case(
        "4 cm away along each axis: not reached", (here, here + 0.04), (-1.0, False),
        "the distance is Euclidean: 4 cm along each of three axes are 6.9 cm",
    )  # fmt: skip
    yield Case(
        "exactly on the threshold", (np.zeros(3), np.array([THRESHOLD, 0, 0])), (0.0, False),
        "the reward asks for a distance above the threshold, success for one below it: on the boundary they differ",
    )  # fmt: skip
    batch = np.stack([here + [0, 0, z] for z in (0.0, 0.03, 0.06, 0.5)])
    yield Case(
        "a batch of four goals", (np.broadcast_to(here, (4, 3)), batch), (np.array([0, 0, -1, -1.0]), [1, 1, 0, 0]),
        "hindsight asks for whole batches: sum over the last axis only",
    )  # fmt: skip
    yield from against_the_environment()


def against_the_environment() -> Iterator[Case]:
    """Goals at 0 to 10 cm from where the block of Push is, with the rewards of `compute_reward`."""
    from envs.make import make_env

    env, rng = make_env("FetchPush-v4"), np.random.default_rng(0)
    achieved = np.tile(env.reset(seed=0)[0]["achieved_goal"], (200, 1))
    away = rng.normal(size=(200, 3))
    goals = achieved + away / np.linalg.norm(away, axis=1, keepdims=True) * rng.uniform(0, 0.1, (200, 1))
    rewards = env.unwrapped.compute_reward(achieved, goals, {})
    yield Case(
        "200 goals around the block of Push: the environment's own rewards", (achieved, goals), rewards,
        "all small cases pass? Then look at the type of what you return: one reward for each row",
        of=lambda pair: pair[0],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(reward_and_success, cases))
