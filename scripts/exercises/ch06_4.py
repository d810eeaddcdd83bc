"""Exercise 4 of chapter 06 (implement, 10 minutes): when has it settled?

Time to success is the first step at which the goal is reached. A controller is judged by when it *stays* there.

    bash docker/dev.sh python scripts/exercises/ch06_4.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from common.exercises import Case, check


def settling_time(distances: list[float], band: float) -> int | None:
    """The first step from which all distances to the goal lie below `band`, to the end; None where that never happens.

    `distances[0]` is the distance at reset, `distances[t]` that after step t, in m.
    """
    ...


def never(result: int | None) -> str | int:
    """None as a word: results are compared as numbers otherwise."""
    return "never" if result is None else result


def cases() -> Iterator[Case]:
    """From the simplest to the ones that mistakes are made in."""
    yield Case("straight in", ([0.2, 0.1, 0.04, 0.01], 0.05), 2, "after step 2 it is inside, and stays")
    overshoot = [0.2, 0.04, 0.07, 0.06, 0.03, 0.01]
    yield Case("overshoot", (overshoot, 0.05), 4, "step 1 reaches the goal, but steps 2 and 3 leave it again")
    yield Case("inside from the start", ([0.01, 0.02], 0.05), 0, "nothing was ever outside: settled at reset")
    yield Case("not at the end", ([0.2, 0.01, 0.06], 0.05), "never", "the last step is outside", of=never)
    yield Case("on the edge", ([0.2, 0.05], 0.05), "never", "below the band, not on it, as for success", of=never)


if __name__ == "__main__":
    sys.exit(check(settling_time, cases))
