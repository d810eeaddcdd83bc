"""Defers SIGINT and SIGTERM to a safe point, at which the program can stop cleanly."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from types import FrameType
from typing import Any


class Interrupted(Exception):
    """A signal asked the run to stop."""


class StopSignals:
    """While entered, the first SIGINT or SIGTERM sets `caught`; a SIGINT after it ends the process at once.

    A second SIGTERM does not: it is no impatient person's. A dying sweep sends one for each of its threads, and a batch
    system one to the job and one to each of its steps.

    Outside of the main thread signals cannot be caught, and nothing is done.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self.previous: dict[int, Any] = {}

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.caught is not None:
            if number == signal.SIGINT:
                # Not sys.exit: the user has asked twice, and clean-up may be what hangs.
                os._exit(128 + number)
            return
        self.caught = number
        # Not print: the signal may have come in the middle of one, and a buffered writer does not take a second.
        with contextlib.suppress(OSError):
            os.write(2, b"\nstopping; press Ctrl-C again to quit at once\n")

    def __enter__(self) -> StopSignals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self.previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise `Interrupted` if a signal came."""
        if self.caught is not None:
            raise Interrupted(signal.Signals(self.caught).name)
