"""Exercise 3 of chapter 02 (predict): what training success says about a policy that solves everything.

After 16,000 steps of the recipe the policy's mean action solves 50 of 50 held-out episodes. What share of its last 100
*training* episodes, which are acted with its noise, ended solved? Give a number from 0 to 1:

    bash docker/dev.sh python scripts/exercises/ch02_3.py 0.9
"""

from __future__ import annotations

import sys

from analysis.early_warning import STD, SUCCESS, rows_of
from common.exercises import ROOT, predict

LOG, STEPS = ROOT / "results/recipes/ppo_FetchReachDense-v4/seed0_metrics.jsonl", 16_000


def logged() -> dict[str, float]:
    """What the recipe's first seed logged of its update at `STEPS`."""
    return next(row for row in rows_of(str(LOG)) if row["steps"] == STEPS)


def explain(mine: float, truth: float) -> str:
    """What makes the number what it is."""
    text = (
        f"The noise has a standard deviation of {logged()[STD]:.2f} in each action, whose range is -1 to 1, so each "
        "step throws the gripper some centimetres off; the threshold is 5 cm, and success counts the last step alone."
    )
    if mine > truth + 0.1:
        text += " You may have taken evaluation for training: one measures the mean action, the other the noisy one."
    elif mine < truth - 0.1:
        text += " The mean action pulls the gripper back at each step, so the noise does not add up."
    return text


if __name__ == "__main__":
    question = f"What share of the last 100 training episodes ended solved at {STEPS:,} steps (0 to 1)?"
    sys.exit(predict(question, lambda: logged()[SUCCESS], explain, tolerance=0.1))
