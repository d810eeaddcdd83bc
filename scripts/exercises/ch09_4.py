"""Exercise 4 of chapter 09 (predict, 5 minutes): do products tell the time?

With 64 pixels the flattened 3×3 encoder has 1.4 times as many products as the Nature CNN. How many times as long does
its update take?

    bash docker/dev.sh python scripts/exercises/ch09_4.py 1.4

The measurement is `python scripts/ch09_pixels.py count`.
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch09_encoder_costs.json"  # rows: Nature, then the 3×3 encoder, at 64 pixels


def ratio(of: str) -> float:
    """The 3×3 encoder's number over the Nature CNN's."""
    return recorded(REPORT, f"data.rows.1.{of}") / recorded(REPORT, f"data.rows.0.{of}")


def explain(predicted: float, measured: float) -> str:
    """What products leave out."""
    low = "Products alone would say 1.4. " if predicted < measured else ""
    return (
        f"{low}Every product needs its numbers brought to the processor. The 3×3 encoder's first layer makes 31 x 31 x "
        "16 = 15,376 numbers a picture, the Nature CNN's 15 x 15 x 32 = 7,200, and the backward pass reads all of them "
        "again. A kernel of 3 x 3 x 3 does 27 products for each number that it writes, one of 8 x 8 x 3 does 192. So "
        "count to rule out what is far too large, then time what is left."
    )


if __name__ == "__main__":
    question = "The 3×3 encoder has 1.4 times the Nature CNN's products at 64 pixels. How many times its time?"
    sys.exit(predict(question, lambda: ratio("update_ms"), explain, 0.4))
