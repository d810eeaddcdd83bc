"""Exercise 1 of chapter 01 (predict, a minute): how often does Push begin solved?

bash docker/dev.sh python scripts/exercises/ch01_1.py         # the question
bash docker/dev.sh python scripts/exercises/ch01_1.py 9.9     # your prediction, in per cent
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

QUESTION = (
    "Block and goal are drawn uniformly from the same square of 30 cm, the block at least 10 cm from the centre.\n"
    "In how many of 100 episodes of Push does the block begin within 5 cm of the goal?"
)


def explain(mine: float, measured: float) -> str:
    """What the estimate usually leaves out."""
    if mine > measured + 1.5:
        return (
            "Too many. A circle of 5 cm over the whole square gives 8.7%, but the block is kept away from the centre, "
            "so it is often near an edge, where part of its circle lies outside of the square and no goal can be."
        )
    if mine < measured - 1.5:
        return "Too few. Start from the area of a circle of 5 cm over that of the square, then subtract for the edges."
    return "A circle of 5 cm over the square gives 8.7%; the edges, near which the block often is, take the rest away."


if __name__ == "__main__":
    measured = 100 * recorded("results/ch01_lab.json", "data.values.geometry")
    sys.exit(predict(QUESTION, measured, explain, tolerance=1.5, form=".1f"))
