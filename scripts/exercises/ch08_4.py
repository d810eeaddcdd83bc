"""Exercise 4 of chapter 08 (implement, 20 minutes): a linear input map that disappears into the first layer.

Fill in `fold`, then check it (a second):

    bash docker/dev.sh python scripts/exercises/ch08_4.py

The solution is in the chapter's page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check


def fold(weight: np.ndarray, bias: np.ndarray, matrix: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (n, h) and bias (h,) of a layer on raw x (n,) that equals the given one on phi = A x + c.

    The given layer computes phi W + b with `weight` W (m, h) and `bias` b (h,); `matrix` A (m, n) and `offset` c (m,).
    """
    ...


def cases() -> Iterator[Case]:
    """One dimension, a relative goal, then random maps with more outputs than inputs."""
    one = np.ones((1, 1))
    yield Case(
        "one number, scaled by 2", (3 * one, np.array([1.0]), 2 * one, np.zeros(1)), (6 * one, np.array([1.0])),
        "(2 x) * 3 + 1 = x * 6 + 1",
    )  # fmt: skip
    yield Case(
        "one number, shifted by 5", (3 * one, np.array([1.0]), one, np.array([5.0])), (3 * one, np.array([16.0])),
        "(x + 5) * 3 + 1 = x * 3 + 16: the offset passes through the weights before it joins the bias",
    )  # fmt: skip
    yield Case(
        "goal minus position", (np.array([[2.0]]), np.zeros(1), np.array([[-1.0, 1.0]]), np.zeros(1)),
        (np.array([[-2.0], [2.0]]), np.zeros(1)),
        "x is a row here: x A^T W, so the new weights are A^T W, of shape (inputs, hidden)",
    )  # fmt: skip
    rng = np.random.default_rng(0)
    weight, bias, matrix, offset = (rng.normal(size=shape) for shape in ((19, 8), (8,), (19, 16), (19,)))
    x = rng.normal(size=(50, 16))
    yield Case(
        "50 random inputs: the same outputs", (weight, bias, matrix, offset), (x @ matrix.T + offset) @ weight + bias,
        "all small cases pass? Then look at shapes: A is not square", of=lambda new: x @ new[0] + new[1],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(fold, cases))
