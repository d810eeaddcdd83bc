"""Exercise 2 of chapter 01 (predict, a minute): what is a state worth from which the goal is never reached?

bash docker/dev.sh python scripts/exercises/ch01_2.py         # the question
bash docker/dev.sh python scripts/exercises/ch01_2.py -3      # your prediction
"""

from __future__ import annotations

import sys

from common.exercises import predict

GAMMA = 0.95
QUESTION = f"Sparse reward, gamma = {GAMMA}, and the goal is never reached. What is the value of such a state?"


def value() -> float:
    """The sum of discounted rewards of −1, as far as float64 goes."""
    return sum(-(GAMMA**k) for k in range(2000))


def explain(mine: float, measured: float) -> str:
    """Where numbers that are off usually come from."""
    if abs(mine) < 0.5:
        return "0 is what a learner believes that takes the time limit for a terminal state. The task has no end."
    if abs(mine + 50) < 1:
        return (
            "-50 is the undiscounted return of one recorded episode. Later steps count less, and there is no last one."
        )
    if abs(mine + sum(GAMMA**k for k in range(50))) < 0.3:
        return "That is the sum over the 50 recorded steps. The task goes on after the recording stops."
    return "-1 - gamma - gamma^2 - ... = -1 / (1 - gamma): the lowest value that any state of a sparse task can have."


if __name__ == "__main__":
    sys.exit(predict(QUESTION, value, explain, tolerance=0.5, form=".2f"))
