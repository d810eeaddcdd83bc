"""Exercise 2 of chapter 00 (predict, a minute): how often does the order of a sum matter?

bash docker/dev.sh python scripts/exercises/ch00_2.py        # the question
bash docker/dev.sh python scripts/exercises/ch00_2.py 1      # your prediction, in per cent
"""

from __future__ import annotations

import sys

import numpy as np

from common.exercises import predict

QUESTION = (
    "a, b, c uniform in [0, 1), double precision. In how many of 100 triples is (a + b) + c not equal a + (b + c)?"
)


def different() -> float:
    """Per cent of 100,000 random triples of which the two sums differ."""
    a, b, c = np.random.default_rng(0).random((3, 100_000))
    return float(100 * np.mean((a + b) + c != a + (b + c)))


def explain(mine: float, measured: float) -> str:
    """Why it is neither never nor always."""
    if mine < measured - 5:
        return "More often. Each addition rounds to 53 bits, and the two orders round two different intermediate sums."
    if mine > measured + 5:
        return "Less often: the two roundings of a sum often cancel, or the intermediate sums need no rounding at all."
    return "Each addition rounds to 53 bits; in most triples both orders end at the same number, in others not."


if __name__ == "__main__":
    sys.exit(predict(QUESTION, different, explain, tolerance=5, form=".1f"))
