"""Exercise 3 of chapter 07 (implement, 15 minutes): noise with memory that is as large at every step.

Fill in `correlated`, then check it (1 second):

    bash docker/dev.sh python scripts/exercises/ch07_3.py

The solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from common.exercises import Case, check


def correlated(fresh: np.ndarray, rho: float, sigma: float) -> np.ndarray:
    """Noise (T,) of standard deviation `sigma` at every step, of which neighbouring steps have the correlation `rho`.

    `fresh` (T,): independent N(0, 1), one a step. The first step of an episode is as noisy as the last.
    """
    ...


def cases() -> Iterator[Case]:
    """Single numbers, then the statistics of 4,000 episodes."""
    ones = np.ones(3)
    yield Case("no memory", (ones, 0.0, 0.1), np.full(3, 0.1), "rho = 0 is white noise: sigma times the fresh numbers")
    yield Case(
        "all memory", (np.array([2.0, -1.0, 5.0]), 1.0, 0.1), np.full(3, 0.2),
        "rho = 1 is a bias: the first number stays, and nothing fresh comes in",
    )  # fmt: skip
    yield Case(
        "one step", (np.array([1.0, 1.0]), 0.6, 1.0), np.array([1.0, 1.4]),
        "n_1 = rho n_0 + sqrt(1 - rho^2) e_1 = 0.6 + 0.8",
    )  # fmt: skip
    fresh = np.random.default_rng(0).normal(size=(4000, 20))

    def spread(result: Any) -> Any:
        return np.std(result)

    # One long episode: its spread is sigma however long its memory is.
    why = "the variance is rho^2 + (1 - rho^2) times sigma^2"
    yield Case("a long episode", (fresh.reshape(-1), 0.9, 2.0), 2.0, why, spread, 0.06)


if __name__ == "__main__":
    sys.exit(check(correlated, cases))
