"""Exercise 2 of chapter 07 (implement, 15 minutes): where does a curve break?

Fill in `critical_sigma`, then check it (1 second):

    bash docker/dev.sh python scripts/exercises/ch07_2.py

"BUILD IT" has one for arrays; here are lists, and a bar of your choice. The solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from common.exercises import Case, check


def critical_sigma(sigmas: list[float], rates: list[float], level: float) -> float:
    """The sigma at which success first falls below `level`, by linear interpolation between two points.

    `sigmas` rise, `rates` are in [0, 1]. The curve's last sigma where success never falls below `level`, its first
    one where it is below from the beginning.
    """
    ...


def cases() -> Iterator[Case]:
    """Curves whose answer is plain."""
    yield Case("a straight line", ([0.0, 0.1], [1.0, 0.0], 0.5), 0.05, "halfway down is halfway along")
    yield Case(
        "unequal steps", ([0.0, 0.01, 0.05], [1.0, 0.9, 0.1], 0.5), 0.03,
        "interpolate between the two points around the crossing, on the axis of sigma",
    )  # fmt: skip
    yield Case("another bar", ([0.0, 0.1], [1.0, 0.0], 0.9), 0.01, "the level is an argument")
    yield Case("it never breaks", ([0.0, 0.1], [1.0, 0.8], 0.5), 0.1, "known is the last sigma: that much at least")
    yield Case("broken from the start", ([0.01, 0.1], [0.3, 0.2], 0.5), 0.01, "there is no point before the first one")
    yield Case(
        "it comes back", ([0.0, 0.1, 0.2, 0.3], [1.0, 0.0, 1.0, 0.0], 0.5), 0.05,
        "the first crossing counts: what comes back by luck is nothing to rely on",
    )  # fmt: skip
    yield Case(
        "lying on the bar", ([0.0, 0.1, 0.2, 0.3], [1.0, 0.5, 0.5, 0.3], 0.5), 0.2,
        "below means below: at 0.1 and 0.2 the curve lies on the bar, and leaves it at 0.2",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(critical_sigma, cases))
