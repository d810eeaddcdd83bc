"""Exercise 4 of chapter 07 (predict, 5 minutes): what breaks the scripted controller first?

Push by the scripted controller, which pushes along a line and corrects what it sees. Its actions arrive k steps of
40 ms late. With k = 3, what per cent of 100 episodes does it still solve?

    bash docker/dev.sh python scripts/exercises/ch07_4.py 50

Then look for the perturbation that breaks it first: `python scripts/ch07_robustness_curves.py baseline`.
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch07_act_push.json"
CURVES = "data.panels.delay.curves"


def explain(predicted: float, measured: float) -> str:
    """What makes the number what it is."""
    policy, clean = (100 * recorded(REPORT, f"{CURVES}.{name}.rate")
                     for name in ("policy.pooled.success.3", "scripted.pooled.success.0"))  # fmt: skip
    high = "Feedback that comes late corrects errors that are no longer there. " if predicted > measured + 15 else ""
    return (
        f"{high}Without delay it solves {clean:.0f}%. With a delay of 3 steps the block goes on for 120 ms after the "
        f"controller has seen it arrive. The learned policies, which never met a delay either, solve {policy:.0f}%."
    )


if __name__ == "__main__":
    question = "Scripted Push whose actions come 3 steps late: what per cent of the episodes are solved?"
    measured = lambda: 100 * recorded(REPORT, f"{CURVES}.scripted.pooled.success.3.rate")  # noqa: E731
    sys.exit(predict(question, measured, explain, 12.0, form=".0f"))
