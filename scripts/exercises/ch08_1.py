"""Exercise 1 of chapter 08 (predict, two minutes): what do networks twice as wide cost?

bash docker/dev.sh python scripts/exercises/ch08_1.py         # the question
bash docker/dev.sh python scripts/exercises/ch08_1.py 2       # your prediction
"""

from __future__ import annotations

import sys

from common.exercises import predict

INPUTS, ACTIONS = 19, 4
QUESTION = (
    "Actor and critics with two hidden layers; 19 inputs, 4 actions. By which factor does the number of operations of\n"
    "one update grow when the hidden layers have 512 units instead of 256?"
)


def operations(hidden: int) -> int:
    """Multiplications for one transition and update, as `update_flops` of the lab counts them (a batch scales all)."""
    actor = [INPUTS * hidden, hidden * hidden, hidden * 2 * ACTIONS]
    critic = [(INPUTS + ACTIONS) * hidden, hidden * hidden, hidden]
    forward = 2 * sum(actor) + 6 * sum(critic)
    weights = sum(actor) + 2 * sum(critic)
    inputs = 2 * sum(critic[1:]) + 2 * sum(critic) + sum(actor[1:])
    return forward + weights + inputs


def explain(mine: float, measured: float) -> str:
    """Which product decides."""
    if mine < 3:
        return "Too little. The product between the two hidden layers has 512 x 512 weights: four times as many."
    if mine > 3.98:
        return "Nearly: only the product between the hidden layers grows fourfold; inputs and outputs grow twofold."
    return "The product between the hidden layers grows fourfold and is by far the largest; the others grow twofold."


if __name__ == "__main__":
    sys.exit(predict(QUESTION, lambda: operations(512) / operations(256), explain, tolerance=0.2))
