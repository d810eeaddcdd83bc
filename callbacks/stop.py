"""Ctrl-C and SIGTERM: stop at the next environment step, so that the run can save its files.

The signals themselves are caught in `common/signals.py`, which needs no learner: a sweep stops by them, too.
"""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback

from common.signals import Interrupted, StopSignals

__all__ = ["Interrupted", "StopOnSignal", "StopSignals"]


class StopOnSignal(BaseCallback):
    """Raises `Interrupted` from the training loop at the first step after a signal.

    The loop is left there and then, so that only a segment that has not been committed is trained again.
    """

    def __init__(self, signals: StopSignals):
        super().__init__()
        self.signals = signals

    def _on_step(self) -> bool:
        self.signals.check()
        return True
