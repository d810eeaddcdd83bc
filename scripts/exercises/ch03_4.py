"""Exercise 4 of chapter 03 (predict, 5 minutes): what does a critic promise whose targets never move?

Predict first, then compare (a second):

    bash docker/dev.sh python scripts/exercises/ch03_4.py -1.5

with your number in place of -1.5.
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch03_diagnose.json"
QUESTION = (
    "Training with `--tau 0` leaves the target networks as they were initialised, with values near 0. A step of dense "
    "Reach is rewarded with minus the distance, some 10 to 40 cm while nothing works; gamma is 0.95. What return does "
    "the trained critic promise, averaged over the states that the policy visits?"
)


def measured() -> float:
    """Mean promise of the smaller critic at the end of the run with frozen targets."""
    return recorded(REPORT, "data.runs.frozen_targets.0.critics.promised")


def explain(mine: float, truth: float) -> str:
    """What makes the number what it is."""
    obtained = recorded(REPORT, "data.runs.frozen_targets.0.critics.obtained")
    text = (
        "y = r + gamma * V'(s') with V' stuck near 0 is the next reward and little else, so the critic promises one "
        f"step's worth of distance. What the policy then obtains is {obtained:.2f}, twenty steps' worth."
    )
    if mine < 3 * truth:
        text += " Your number is what a critic would promise whose targets had moved: 1 / (1 - 0.95) = 20 rewards."
    return text


if __name__ == "__main__":
    sys.exit(predict(QUESTION, measured, explain, tolerance=0.25))
