"""Exercise 2 of chapter 06 (implement, 10 minutes): the low-pass filter.

    bash docker/dev.sh python scripts/exercises/ch06_2.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check


def low_pass(actions: np.ndarray, alpha: float) -> np.ndarray:
    """What reaches the simulator, (T, A), of the `actions` (T, A) of one episode behind a low-pass filter.

    u_t = α a_t + (1 − α) u_{t−1}, and before the first action u is 0. Actions beyond −1 and 1 are clipped before they
    are filtered: the filter must not remember what could never be carried out.
    """
    ...


def cases() -> Iterator[Case]:
    """From the simplest to the ones that mistakes are made in."""
    one = np.ones((3, 1))
    yield Case("no filter", (one, 1.0), one, "α = 1 passes every action on as it is")
    jump = [[0.5], [0.75], [0.875]]
    yield Case("a jump", (one, 0.5), jump, "u starts at 0, and each step closes half of what is left: 1 − 0.5^n")
    yield Case("a slow one", (one, 0.1), [[0.1], [0.19], [0.271]], "α weighs the new action, 1 − α the old value")
    pair = np.array([[1.0, -1.0], [0.0, -1.0]])
    yield Case("two components", (pair, 0.5), [[0.5, -0.5], [0.25, -0.75]], "each component is filtered by itself")
    big = np.array([[3.0], [0.0]])
    yield Case("out of bounds", (big, 0.5), [[0.5], [0.25]], "3 is clipped to 1 before the filter remembers it")


if __name__ == "__main__":
    sys.exit(check(low_pass, cases))
