"""The clock of a run, which goes on where an earlier process of the same run left it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


class Clock:
    """Counts from the moment it is made, on top of the seconds of earlier processes."""

    def __init__(self, training_s: float = 0.0, wall_clock_s: float = 0.0):
        self.training_before, self.wall_before = training_s, wall_clock_s
        self.started, self.paused_s = time.monotonic(), 0.0

    def wall(self) -> float:
        """Seconds so far, with evaluations and checkpoints."""
        return self.wall_before + time.monotonic() - self.started

    def training(self) -> float:
        """Seconds of training so far, evaluations and checkpoints not counted."""
        return self.training_before + time.monotonic() - self.started - self.paused_s

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Time spent inside does not count as training."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.paused_s += time.monotonic() - began
