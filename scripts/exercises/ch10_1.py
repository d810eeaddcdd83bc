"""Exercise 1 of chapter 10 (predict, 5 minutes): how ready is a policy that solves everything?

The policy of Push that ships solves nearly all held-out episodes. The deployment checklist asks fourteen questions
(`analysis/readiness.py`). How many of them does it fail? Answer with a number:

    bash docker/dev.sh python scripts/exercises/ch10_1.py 3

The measurement is `python scripts/ch10_reality_gap.py readiness`.
"""

from __future__ import annotations

import sys

from common.exercises import entry, predict

REPORT = "results/ch10_readiness_fetchpush-v4.json"


def failed() -> list[str]:
    """Titles of the tests that it fails."""
    return [line["title"] for line in entry(REPORT, "data.verdict.checks") if not line["passed"]]


def explain(predicted: float, measured: float) -> str:
    """What stops it."""
    low = "Success is one line of the list. " if predicted < measured else ""
    return (
        f"{low}It fails: {'; '.join(failed())}. None of these shows in the success rate that training maximises: "
        "the reward asks where the block is at the end, not how fast the joints turned, and the simulator was always "
        "the same robot."
    )


if __name__ == "__main__":
    question = "How many of the fourteen tests of the checklist does the policy of Push fail?"
    sys.exit(predict(question, lambda: len(failed()), explain, 1.0, form=".0f"))
