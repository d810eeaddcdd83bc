"""Exercise 3 of chapter 05 (implement, 20 minutes): was it a grasp, or did the block bounce?

Success says nothing about how. Fill in `grasped`, the rule behind the grades of `dense-debug`, then check it (1 s):

    bash docker/dev.sh python scripts/exercises/ch05_3.py

"BUILD IT", round 4, has the rules for failures, which are of the same kind; the solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check


def grasped(places: np.ndarray, grips: np.ndarray) -> bool:
    """Whether the gripper held the object for at least 5 states in a row.

    `places` (T + 1, 3) and `grips` (T + 1, 3) are the centres of object and gripper, in m; row 0 is the start. Held
    means: less than 4 cm from the gripper, and more than 1 cm above where it started.
    """
    ...


def ways(heights: list[float], gaps: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """An object at `heights` above its start, the gripper `gaps` above the object."""
    places = np.array([[1.3, 0.75, 0.42 + height] for height in heights])
    return places, places + np.array([[0.0, 0.0, gap] for gap in gaps])


def cases() -> Iterator[Case]:
    """Held, bounced, pushed, and thrown."""
    n = 12
    yield Case(
        "lifted and held", ways([0.0] * 4 + [0.05] * 8, [0.01] * n), True, "8 states in a row, 5 cm up, 1 cm away"
    )
    yield Case(
        "pushed along the table", ways([0.0] * n, [0.01] * n), False,
        "near the gripper all the time and never off the table",
    )  # fmt: skip
    yield Case(
        "two bounces", ways([0.0, *[0.03] * 4, 0.0, *[0.03] * 4, 0.0, 0.0], [0.01] * n), False,
        "4 + 4 states are off the table, but never 5 in a row",
    )  # fmt: skip
    yield Case(
        "thrown up, the gripper stays below", ways([0.0, *[0.1] * 11], [-0.06] * n), False,
        "11 states in the air, 6 cm from the gripper",
    )  # fmt: skip
    yield Case(
        "held to the very end", ways([0.0] * 7 + [0.02] * 5, [0.01] * n), True, "5 states in a row, the last ones"
    )


if __name__ == "__main__":
    sys.exit(check(grasped, cases))
