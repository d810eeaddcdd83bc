"""Exercise 3 of chapter 04 (predict, 5 minutes): how much later without hindsight?

With hindsight, Reach is at 95% after 1,600 steps (median of three training seeds, an evaluation every 800). The same
settings without it: after how many thousand steps, again the median? 99 means: not within the 8,000 that were run.

    bash docker/dev.sh python scripts/exercises/ch04_3.py 99
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch04_report.json"


def explain(predicted: float, measured: float) -> str:
    """What makes the number what it is."""
    never = "You expected it never to learn, as on Push. " if predicted > 20 else ""
    return (
        f"{never}A random gripper comes within 5 cm of a goal of Reach in some episodes, so some rewards of 0 are in "
        "the buffer without relabelling, and bootstrapping carries them backwards. Hindsight saves the wait for luck: "
        f"here a factor of {measured / 1.6:.1f}. On Push hardly any luck comes, and the factor becomes a wall."
    )


if __name__ == "__main__":
    question = "Reach without hindsight: 95% after how many thousand steps (median of three seeds)?"
    measured = lambda: recorded(REPORT, "data.reach.no_hindsight.median_steps_to_95") / 1000  # noqa: E731
    sys.exit(predict(question, measured, explain, 1.6, form=".1f"))
