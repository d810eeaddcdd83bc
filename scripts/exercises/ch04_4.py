"""Exercise 4 of chapter 04 (predict, 5 minutes): which part would you miss most?

Push's recipe solves about three quarters of held-out episodes after 40,000 steps (two training seeds). Take one part of
it away: the normalisation of its inputs. Nothing else changes; hindsight stays. What per cent does it solve then?

    bash docker/dev.sh python scripts/exercises/ch04_4.py 60
"""

from __future__ import annotations

import sys

from common.exercises import predict, recorded

REPORT = "results/ch04_report.json"


def mean(part: str) -> float:
    """Mean success of the two seeds without a part of the recipe, in per cent."""
    return 50 * sum(recorded(REPORT, f"data.parts.{part}.{seed}.rate") for seed in (0, 1))


def explain(predicted: float, measured: float) -> str:
    """What makes the number what it is."""
    high = "Hindsight alone does not carry it. " if predicted > measured + 8 else ""
    return (
        f"{high}5% begin solved, so this is next to nothing. Positions differ by some centimetres about 1.3 m, and "
        "velocities are of the order of 0.01: to a fresh network that is nearly one constant vector, and the "
        "centimetres that decide a push are lost in it. Without random actions after the warm-up it would be "
        f"{mean('no_random_actions'):.0f}%: which part matters is not what one would guess, and two seeds are few."
    )


if __name__ == "__main__":
    question = "Push, 40,000 steps, the recipe with raw inputs: what per cent of held-out episodes are solved?"
    sys.exit(predict(question, lambda: mean("no_normalisation"), explain, 8.0, form=".1f"))
