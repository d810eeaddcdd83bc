"""Exercise 1 of chapter 04 (predict, 5 minutes): what hindsight finds where nothing happened.

100 episodes of random actions on Push. In about one of sixteen the block moves 2 cm or more; in the others it lies
where it lay. All 5,000 transitions are stored with `future` and k = 4. Of the rows in the buffer, what per cent carry a
reward of 0, that is "the goal is reached"? Answer with a number:

    bash docker/dev.sh python scripts/exercises/ch04_1.py 40

The lab counts it: `python scripts/labs/her_relabeler.py --demo`.
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch04_relabeler.json"  # rows: as recorded, future k = 1, future k = 4, …


def explain(predicted: float, measured: float) -> str:
    """What makes the number what it is."""
    still, moved = (100 * recorded(REPORT, f"data.rows.2.zeros.{name}") for name in ("still", "moved"))
    low = "You may have thought of the few episodes in which something happens. " if predicted < measured - 8 else ""
    return (
        f"{low}Where the block lies still, every goal that the episode achieved is the place where the block is: all "
        f"four relabelled rows of five are solved, {still:.0f}% with the few that were solved anyway. Where it moved, "
        f"{moved:.0f}% are. So most of what hindsight writes into an early buffer of Push says: it is "
        "reached, whatever you do. True, and useless. What teaches pushing are the rows in which the block moves."
    )  # fmt: skip


if __name__ == "__main__":
    question = "100 random episodes of Push stored with future, k = 4: what per cent of the rows carry a reward of 0?"
    sys.exit(predict(question, lambda: 100 * recorded(REPORT, "data.rows.2.zeros.all"), explain, 8.0, form=".1f"))
