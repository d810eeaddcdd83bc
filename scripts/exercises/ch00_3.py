"""Exercise 3 of chapter 00 (implement, 15 minutes): is it the same result?

Fill in `verdict`, then check it (a second):

    bash docker/dev.sh python scripts/exercises/ch00_3.py

The solution is in the chapter's page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from common.exercises import Case, check


def verdict(first: dict[str, Any], second: dict[str, Any], tolerance_success: float, tolerance_distance: float) -> str:
    """`equal bit for bit`, `within tolerance` or `not reproduced`.

    Each run has `weights_sha256` (a hash of the weights), `success` (a rate, 0 to 1) and `mean_final_distance` (m).
    Equal weights are equal bit for bit. Otherwise both numbers must lie within their tolerance, bounds included.
    """
    ...


def cases() -> Iterator[Case]:
    """Equal weights, each tolerance alone, and the order of the runs."""

    def run(weights: str, success: float, distance: float) -> dict[str, Any]:
        return {"weights_sha256": weights, "success": success, "mean_final_distance": distance}

    yield Case(
        "equal weights", (run("a", 0.9, 0.03), run("a", 0.9, 0.03), 0.05, 0.01), "equal bit for bit",
        "the hash decides: equal weights give equal evaluations",
    )  # fmt: skip
    yield Case(
        "other weights, equal numbers", (run("a", 0.9, 0.03), run("b", 0.9, 0.03), 0.05, 0.01), "within tolerance",
        "equal success is no equality bit for bit: two different policies can solve the same episodes",
    )  # fmt: skip
    yield Case(
        "success is worse in the second run", (run("a", 0.95, 0.03), run("b", 0.8, 0.03), 0.05, 0.01),
        "not reproduced", "a difference of 0.15 is more than the tolerance of 0.05",
    )  # fmt: skip
    yield Case(
        "success is worse in the first run", (run("a", 0.8, 0.03), run("b", 0.95, 0.03), 0.05, 0.01),
        "not reproduced", "the order of the runs must not matter: take the absolute difference",
    )  # fmt: skip
    yield Case(
        "only the distance differs", (run("a", 0.9, 0.03), run("b", 0.9, 0.05), 0.05, 0.01), "not reproduced",
        "both numbers must be within their tolerance, not one of them",
    )  # fmt: skip
    yield Case(
        "exactly at the tolerance", (run("a", 0.75, 0.5), run("b", 0.5, 0.25), 0.25, 0.25), "within tolerance",
        "bounds are included: at most the tolerance",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(verdict, cases))
