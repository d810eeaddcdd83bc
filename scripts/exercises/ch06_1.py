"""Exercise 1 of chapter 06 (predict, 5 minutes): how late is too late?

Proportional control on Reach with K = 1: an action asks for the whole distance to the goal, clipped to 5 cm a step, and
the arm carries out about two thirds of what it is asked in a step. Actions arrive a whole number of steps late. What is
the smallest delay at which the gripper no longer settles on any goal? Answer with a number of steps:

    bash docker/dev.sh python scripts/exercises/ch06_1.py 1
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch06_lab.json"
# Rows of the lab's demonstration: seven gains, each with delays of 0 to 3 steps; K = 1 is the fourth.
FIRST = 12


def measured() -> float:
    """The first delay at which no episode settles."""
    return float(next(k for k in range(4) if recorded(REPORT, f"data.loops.{FIRST + k}.settled") == 0))


def explain(predicted: float, truth: float) -> str:
    """What makes the number what it is."""
    kappa = recorded(REPORT, "data.arm.kappa")
    error = 1000 * recorded(REPORT, f"data.loops.{FIRST + int(truth)}.error")
    return (
        f"Each step removes κ = {kappa:.2f} of the error that was seen. The limit is κ* = 2 sin(π / (2 (2k + 1))): 2, "
        f"1 and 0.62 for delays of 0, 1 and 2 steps. {kappa:.2f} lies below the second and above the third, and behind "
        f"two steps the gripper swings around the goal, {error:.0f} mm away on average."
    )


if __name__ == "__main__":
    question = "K = 1, κ = 0.67: the smallest delay, in steps, at which the gripper no longer settles?"
    sys.exit(predict(question, measured, explain, 0.4, form=".0f"))
