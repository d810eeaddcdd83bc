"""Exercise 3 of chapter 06 (predict, 5 minutes): a policy behind a filter that it was never trained with.

The reference policy of Push acts through a low-pass filter with α = 0.2: its actions reach the arm four steps late on
average, in an episode of 50. It was trained without. Of 200 held-out episodes, what per cent does it solve?

    bash docker/dev.sh python scripts/exercises/ch06_3.py 50
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch06_filter.json"  # rows of the policy: α = 1, 0.6, 0.4, 0.2, 0.1
PUSH = "data.FetchPush-v4"


def explain(predicted: float, measured: float) -> str:
    """What makes the number what it is."""
    before, after = (recorded(REPORT, f"{PUSH}.{row}.smoothness.mean") for row in (0, 3))
    late = 100 * recorded("results/ch06_delay.json", f"{PUSH}.2.success.rate")
    low = "You may have counted the lag of four steps as a delay of four steps. " if predicted < measured - 15 else ""
    return (
        f"{low}Without a filter the policy's actions change by {before:.1f} (sum of squares), behind it by "
        f"{after:.1f}. A filter lags, but it also turns the loop's gain down at the frequencies at which it lags, so "
        f"that nothing builds up. A delay only lags: two steps of it leave {late:.0f}%."
    )


if __name__ == "__main__":
    question = "The policy of Push through a low-pass filter of α = 0.2: what per cent of 200 episodes does it solve?"
    sys.exit(predict(question, lambda: 100 * recorded(REPORT, f"{PUSH}.3.success.rate"), explain, 6.0, form=".1f"))
