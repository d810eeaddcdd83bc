"""Exercise 4 of chapter 05 (experiment, 10 minutes): one factor changed, and the average explained.

The recipe's policy solves everything with a block of 16 times its mass. Now it is 64 times as heavy; friction, size,
goals and weights stay as they were. What per cent of 500 held-out episodes does it solve, over all goals?

    bash docker/dev.sh python scripts/exercises/ch05_4.py 10

Run it yourself: `python scripts/ch05_pick_and_place.py stress --factors object_mass` (some minutes).
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch05_report.json"
HOW = ("out of reach", "dropped")


def solved(stratum: str) -> float:
    """Success with 64 times the mass over a group of goals, in per cent."""
    return 100 * recorded(REPORT, f"data.stress.object_mass=64.success.{stratum}.rate")


def explain(predicted: float, measured: float) -> str:
    """What makes the number what it is."""
    low = "It can still push. " if predicted < measured - 8 else ""
    held, dropped = (recorded(REPORT, f"data.stress.object_mass=64.failures.{kind}") for kind in HOW)
    return (
        f"{low}On the table it solves {solved('table'):.0f}%: a heavier block is pushed all the same, for the gripper "
        f"follows a position, whatever it takes. In the air it solves {solved('air'):.0f}%: {held:.0f} episodes end "
        f"with the block held away from its goal and {dropped:.0f} with the block dropped. The average of both strata "
        "says neither: reported alone, it would look like a policy that is half as good at everything."
    )


if __name__ == "__main__":
    question = "a block of 64 times the mass: what per cent of all episodes does the trained policy solve?"
    sys.exit(predict(question, lambda: solved("all"), explain, 8.0, form=".1f"))
