"""Exercise 1 of chapter 02 (implement, 20 minutes): generalised advantage estimation.

Fill in `advantages`, then check it (2 seconds, the last case takes Stable-Baselines3's own answer on Fetch-sized data):

    bash docker/dev.sh python scripts/exercises/ch02_1.py

The chapter derives it in "HOW"; its solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check


def advantages(rewards: np.ndarray, values: np.ndarray, last_value: float, ends: np.ndarray, gamma: float, lam: float):
    """Advantages A_t (T,) of one environment's rollout of T steps, by GAE.

    `rewards` (T,) and `values` (T,): r_t and V(s_t). `last_value`: V(s_T), of the state after the last step.
    `ends` (T,): 1 where the episode ended with step t, so that s_(t+1) belongs to another episode; 0 elsewhere.
    What the ended episode would still have earned is already inside its last reward: add nothing for it.
    """
    ...


def cases() -> Iterator[Case]:
    """Small rollouts that can be worked out by hand, then a large one."""
    ones, zeros, no_end = np.ones(4), np.zeros(4), np.zeros(4)
    yield Case(
        "gamma = lambda = 1, values 0: the sum of rewards to come", (ones, zeros, 0.0, no_end, 1.0, 1.0), [4, 3, 2, 1],
        "with nothing discounted and no baseline, A_t is the sum of all rewards from t on, r_t included",
    )  # fmt: skip
    yield Case(
        "lambda = 0: the one-step TD error", (ones, np.arange(4.0), 4.0, no_end, 0.5, 0.0), [1.5, 1.0, 0.5, 0.0],
        "with lambda = 0 no later TD error counts: A_t = delta_t = r_t + gamma * V(s_(t+1)) - V(s_t), and V(s_T) is "
        "last_value",
    )  # fmt: skip
    yield Case(
        "lambda = 0.5, gamma = 0.5: TD errors fade by gamma * lambda", (ones, zeros, 0.0, no_end, 0.5, 0.5),
        [1.328125, 1.3125, 1.25, 1.0], "A_t = delta_t + gamma * lambda * A_(t+1); gamma alone is not enough",
    )  # fmt: skip
    yield Case(
        "an episode ends after the second step", (ones, zeros, 0.0, np.array([0, 1, 0, 0.0]), 1.0, 1.0), [2, 1, 2, 1],
        "nothing of the next episode may flow into this one: neither V(s_(t+1)) nor A_(t+1) counts where ends[t] is 1",
    )  # fmt: skip
    yield Case(
        "an episode ends and the values are not zero",
        (ones, np.full(4, 2.0), 2.0, np.array([0, 1, 0, 0.0]), 0.5, 1.0), [-0.5, -1.0, 0.0, 0.0],
        "where ends[t] is 1, the TD error is r_t - V(s_t): V(s_(t+1)) is of another episode",
    )  # fmt: skip
    yield from against_stable_baselines()


def against_stable_baselines() -> Iterator[Case]:
    """The advantages of Stable-Baselines3's rollout buffer: 100 steps with random numbers and two episode ends."""
    import torch
    from gymnasium.spaces import Box
    from stable_baselines3.common.buffers import RolloutBuffer

    rng, steps = np.random.default_rng(0), 100
    rewards, values, ends = rng.normal(size=steps), rng.normal(size=steps), np.zeros(steps)
    ends[[49, 99]] = 1
    buffer = RolloutBuffer(steps, Box(-1, 1, (1,)), Box(-1, 1, (1,)), "cpu", gae_lambda=0.95, gamma=0.9)
    for t in range(steps):
        starts, value = np.array([t > 0 and ends[t - 1]]), torch.tensor([values[t]])
        buffer.add(np.zeros((1, 1)), np.zeros((1, 1)), np.array([rewards[t]]), starts, value, torch.zeros(1))
    buffer.compute_returns_and_advantage(torch.tensor([0.7]), np.array([True]))
    yield Case(
        "100 steps, two episode ends: Stable-Baselines3's numbers", (rewards, values, 0.7, ends, 0.9, 0.95),
        buffer.advantages[:, 0], "all small cases pass? Then look at the first and the last step", tolerance=1e-4,
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(advantages, cases))
