"""Exercise 4 of chapter 02 (predict): how little a hundred episodes say.

A policy solves 95 of 100 held-out episodes. What is the lower end of the 95% interval of its success rate, in per cent?

    bash docker/dev.sh python scripts/exercises/ch02_4.py 94
"""

from __future__ import annotations

import sys

from analysis.stats import wilson
from common.exercises import predict


def explain(mine: float, truth: float) -> str:
    """What makes the number what it is."""
    counts = ((19, 20), (95, 100), (950, 1000))
    few, some, many = ("{:.1f} to {:.1f}%".format(*(100 * end for end in wilson(*pair))) for pair in counts)
    text = (
        f"Wilson's interval for 95 of 100 is {some}. With 19 of 20 it would be {few}, with 950 of 1,000 {many}: ten "
        "times the episodes make it about three times narrower."
    )
    if mine > truth + 1:
        text += " Two policies with 95 and 90 of 100 are not told apart by this; 1,000 episodes each would do it."
    return text


if __name__ == "__main__":
    question = "95 of 100 episodes are solved. Lower end of the 95% interval, in per cent?"
    sys.exit(predict(question, 100 * wilson(95, 100)[0], explain, tolerance=1.0, form=".1f"))
