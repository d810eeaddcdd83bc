"""Exercise 1 of chapter 05 (predict, 5 minutes): how often does chance raise the block?

200 episodes of a policy that goes to the block with open fingers and stays there, as one that has learned to push
finds it. Three in ten actions are random, in bursts that last five steps on average. The policy never closes its
fingers: what happens is the random actions' work. In how many of 1,000 such episodes is the block ever more than 5 cm
above the table, so that hindsight gets a goal that no push solves? Answer with a number:

    bash docker/dev.sh python scripts/exercises/ch05_1.py 300

The lab counts it: `python scripts/labs/curriculum.py --demo --episodes 200`.
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch05_lab.json"  # rows: random alone, by itself and held; near the block, by itself and held


def per_thousand(row: int, what: str = "raised.rate") -> float:
    """In how many of 1,000 episodes of a row of the demonstration."""
    return 1000 * recorded(REPORT, f"data.rows.{row}.{what}")


def explain(predicted: float, measured: float) -> str:
    """What makes the number what it is."""
    high = "Fewer than you thought. " if predicted > measured + 15 else ""
    low, top = per_thousand(3, "raised.low"), per_thousand(3, "raised.high")
    return (
        f"{high}The 95% interval is {low:.0f} to {top:.0f}. A closing command must last until the fingers meet, and "
        f"then go up. With every random action drawn by itself it was {per_thousand(2):.0f} of 1,000, and where no "
        f"policy finds the block {per_thousand(1):.0f}. Few, but each such episode is 50 transitions with goals in the "
        "air, and the replay draws those more often: what is rare in the world need not be rare in a batch."
    )


if __name__ == "__main__":
    question = "bursts near the block: in how many of 1,000 episodes is it ever 5 cm above the table?"
    sys.exit(predict(question, lambda: per_thousand(3), explain, 15.0, form=".0f"))
