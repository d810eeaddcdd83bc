"""Exercise 1 of chapter 03 (predict, 5 minutes): how long does Adam need to bring the entropy coefficient down?

Predict first, then compare (a second):

    bash docker/dev.sh python scripts/exercises/ch03_1.py 1000

with your number in place of 1000.
"""

from __future__ import annotations

import math
import sys

from common.exercises import predict

QUESTION = (
    "The entropy coefficient starts at alpha = 1, dense Reach wants about 0.005. Adam with a learning rate of 0.001 "
    "tunes log alpha, and the entropy stays half a nat above its target all the time. After how many updates is alpha "
    "below 0.005?"
)


def measured() -> float:
    """Updates until alpha is below 0.005, counted one by one (Kingma & Ba 2015, algorithm 1)."""
    rate, beta1, beta2, log_alpha, mean, square, count = 1e-3, 0.9, 0.999, 0.0, 0.0, 0.0, 0
    while math.exp(log_alpha) >= 0.005:
        # L = -log alpha * (log pi + H), where log pi + H = -0.5 is the target less the entropy
        gradient, count = 0.5, count + 1
        mean = beta1 * mean + (1 - beta1) * gradient
        square = beta2 * square + (1 - beta2) * gradient**2
        log_alpha -= rate * (mean / (1 - beta1**count)) / (math.sqrt(square / (1 - beta2**count)) + 1e-8)
    return count


def explain(mine: float, truth: float) -> str:
    """What makes the number what it is."""
    text = (
        "Adam divides the gradient by its own size, so half a nat or ten make no difference: log alpha falls by one "
        f"learning rate an update, and has log(200) = {math.log(200):.2f} to go."
    )
    if mine < 0.6 * truth:
        text += " Fewer would do if it started lower, or if an update took more than 0.1% off alpha."
    elif mine > 1.4 * truth:
        text += " More would be needed if alpha, not its logarithm, were tuned and the steps shrank with it."
    return text + " The recipe's run has 1,600 updates in its first 4,000 steps: it ends before alpha is small."


if __name__ == "__main__":
    sys.exit(predict(QUESTION, measured, explain, tolerance=500, form=",.0f"))
