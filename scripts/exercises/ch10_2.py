"""Exercise 2 of chapter 10 (implement, 15 minutes): the smallest error that a log allows.

Before a robot moves you can know what its log will tell. Fill in `smallest_errors`, then check it (1 second):

    bash docker/dev.sh python scripts/exercises/ch10_2.py

"HOW" has the equation; the solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check


def smallest_errors(jacobian: np.ndarray, sigma: float) -> np.ndarray:
    """Smallest standard deviation of each of P parameters, (P,), by the bound of Cramér and Rao.

    `jacobian` (N, P): derivative of N predicted positions (m) by the parameters. `sigma`: standard deviation of the
    white noise on each measured position (m). The parameters may be correlated.
    """
    ...


def cases() -> Iterator[Case]:
    """Independent parameters, a noisier sensor, correlated ones, and more data."""
    apart = np.array([[2.0, 0.0], [0.0, 4.0]])
    yield Case(
        "two parameters that do not interfere", (apart, 1.0), np.array([0.5, 0.25]),
        "F = JᵀJ is diag(4, 16); its inverse has the variances 1/4 and 1/16, of which the root is asked for",
    )  # fmt: skip
    yield Case(
        "a sensor that is ten times worse", (apart, 10.0), np.array([5.0, 2.5]),
        "residuals are divided by sigma, so F by its square and the errors grow with sigma itself",
    )  # fmt: skip
    alike = np.array([[1.0, 1.0], [1.0, 0.9], [1.0, 1.1]])
    yield Case(
        "two parameters that do almost the same", (alike, 1.0), np.sqrt([3.02 / 0.06, 3.0 / 0.06]),
        "invert the whole of F: one over its diagonal would forget that a change of one can hide behind the other",
    )  # fmt: skip
    yield Case(
        "a hundred times as much of it", (np.tile(apart, (100, 1)), 1.0), np.array([0.05, 0.025]),
        "information adds up over measurements: a hundred times the data, a tenth of the error",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(smallest_errors, cases))
