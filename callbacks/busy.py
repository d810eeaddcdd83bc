"""Says once that other programs keep the machine busy, since the speed of a run is then not what the pages promise."""

from __future__ import annotations

import time
from collections.abc import Callable

from callbacks.base import RunCallback
from common.load import OtherLoad
from common.provenance import cores


class BusyMachine(RunCallback):
    """Looks every `interval` seconds of training; above `share` of the cores in other hands it calls `say`, once."""

    def __init__(self, say: Callable[[str], None], threads: int, interval: float = 5.0, share: float = 0.25):
        super().__init__()
        self.say, self.threads, self.interval, self.share = say, threads, interval, share
        self.load: OtherLoad | None = OtherLoad()
        self.since = time.monotonic()

    def _on_training_start(self) -> None:
        # An evaluation or a checkpoint lies behind; what is asked is how the training goes.
        if self.load is not None:
            self.load, self.since = OtherLoad(), time.monotonic()

    def _on_step(self) -> bool:
        if self.load is not None and time.monotonic() - self.since > self.interval:
            others = self.load.cores()
            self.load, self.since = OtherLoad(), time.monotonic()
            if others is not None and others > self.share * cores():
                self.load = None
                self.say(self.text(others))
        return True

    def text(self, others: float) -> str:
        """What is said where other programs use that many cores."""
        advice = "; --threads 1 loses least" if self.threads > 1 else ""
        return f"  busy machine: other programs use {others:.1f} of {cores()} cores, so this run is slower{advice}"
