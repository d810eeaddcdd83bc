"""Exercise 1 of chapter 00 (predict, a minute): how many steps are 50,000 steps?

bash docker/dev.sh python scripts/exercises/ch00_1.py           # the question
bash docker/dev.sh python scripts/exercises/ch00_1.py 50000     # your prediction
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

QUESTION = (
    "ppo-smoke asks for 50,000 steps; 8 environments, 100 steps in each before an update. How many does it train?"
)


def explain(mine: float, measured: float) -> str:
    """What a rollout is."""
    if mine == measured:
        return "Whole rollouts of 800 steps: 62 are not enough, 63 are more than was asked for."
    if mine < measured:
        return "PPO updates after whole rollouts, here of 8 x 100 steps. It stops at the first end at or after 50,000."
    return "Too many: what is the first multiple of 8 x 100 steps that is not less than 50,000?"


if __name__ == "__main__":
    measured = recorded("results/ch00_all.json", "data.steps.ppo-smoke.facts.steps")
    sys.exit(predict(QUESTION, measured, explain, tolerance=0.5, form=".0f"))
