"""Exercise 1 of chapter 09 (predict, 5 minutes): how good is a policy "from pixels" without its pixels?

A student of the policy of Push sees its own joints, the desired goal and `achieved_goal`, and no picture at all. How
many of 100 held-out episodes does it solve after 12,800 labels?

    bash docker/dev.sh python scripts/exercises/ch09_1.py 20

The measurement is `python scripts/labs/dagger_from_scratch.py --demo`.
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch09_dagger.json"


def explain(predicted: float, measured: float) -> str:
    """What was leaked."""
    blind = 100 * recorded(REPORT, "data.rows.0.success.rate")
    low = "The block's place is nearly all that the picture would have told. " if predicted < measured else ""
    return (
        f"{low}On Push the achieved goal is the block's position, to the last digit and in every step. Without it the "
        f"same student solves {blind:.0f} of 100, about what begins solved. So a policy that is given it and a picture "
        "may ignore the picture, and its success says nothing about seeing."
    )


if __name__ == "__main__":
    question = "Joints, desired goal and achieved_goal, no picture: how many of 100 episodes of Push?"
    sys.exit(predict(question, lambda: 100 * recorded(REPORT, "data.rows.1.success.rate"), explain, 12.0, form=".0f"))
