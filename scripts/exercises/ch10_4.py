"""Exercise 4 of chapter 10 (predict, 5 minutes): what does a block weigh that is pushed?

A gripper pushes a block of unknown mass 5 cm over a table; a camera sees the block to within 1 mm, about ten times.
From this one log, how large is the standard deviation of the estimated mass at least, in per cent of the mass?

    bash docker/dev.sh python scripts/exercises/ch10_4.py 2

The bound is computed by `python scripts/ch10_reality_gap.py sysid`, at the robot that it identified.
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch10_sysid.json"  # rows: one log of each kind, then more


def explain(predicted: float, measured: float) -> str:
    """Why pushing does not weigh."""
    friction = 100 * recorded(REPORT, "data.rows.0.parameters.friction.std")
    low = "A kitchen scale is better. " if predicted < measured else ""
    return (
        f"{low}The gripper goes where the weld pulls it, whatever stands in its way: a heavier block is pushed "
        "along the same path. Mass shows only in the instant of the impact. Friction, which decides how far the "
        f"block slides on its own, is known to {friction:.2g}% by the same log, if the model is right. So randomise "
        "over the mass."
    )  # fmt: skip


if __name__ == "__main__":
    question = "One push of 5 cm, seen to within 1 mm: smallest standard deviation of the mass, in per cent?"
    sys.exit(predict(question, lambda: 100 * recorded(REPORT, "data.rows.0.parameters.mass.std"), explain, 15.0))
