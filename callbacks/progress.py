"""A progress bar: steps, steps per second, time left, success of recent training episodes; one line per evaluation."""

from __future__ import annotations

import shutil
import sys
import time

from tqdm import tqdm

from analysis.compare import format_rate
from analysis.reports import Evaluation
from callbacks.base import RunCallback


class Progress(RunCallback):
    """Draws on stderr; where that is no terminal, one line every `interval` seconds instead of a moving bar.

    Steps before the first update are several times faster than those that follow, so the speed, and with it the time
    left, is measured from the first update on.
    """

    def __init__(self, total: int, done: int = 0, interval: float = 10.0):
        super().__init__()
        self.total, self.done, self.interval = total, done, interval
        self.terminal = sys.stderr.isatty()
        self.bar: tqdm | None = None
        self.last = 0.0
        # When the speed began to be measured, at which step, and whether there were updates by then.
        self.since, self.first, self.learning = 0.0, done, False

    def _on_training_start(self) -> None:
        if self.bar is None:
            self.since = self.last = time.monotonic()
            self.bar = tqdm(
                total=self.total, initial=self.done, unit=" steps", ncols=shutil.get_terminal_size().columns,
                disable=not self.terminal, bar_format="{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} steps{postfix}",
            )  # fmt: skip

    def success(self) -> str:
        """Success rate over the last training episodes, with their number, as text."""
        recent = self.model.ep_success_buffer
        if not recent:
            return "no episode yet"
        return f"exploring: success in {sum(recent) / len(recent):.0%} of the last {len(recent)} episodes"

    def speed(self, now: float) -> str:
        """Steps per second and, once there are updates, the seconds left, as text."""
        if not self.learning and self.model._n_updates:
            self.since, self.first, self.learning = now, self.num_timesteps, True
        rate = (self.num_timesteps - self.first) / max(now - self.since, 1e-9)
        if not self.learning:
            return f"{rate:.0f} steps/s, no updates yet"
        if self.num_timesteps == self.first:
            return "first update"
        return f"{rate:.0f} steps/s, {(self.total - self.num_timesteps) / rate:.0f} s left"

    def _on_step(self) -> bool:
        # Not at every step: text on a slow terminal would cost more than the simulation.
        now = time.monotonic()
        if not self.learning and self.model._n_updates:
            self.speed(now)
        if now - self.last > (0.2 if self.terminal else self.interval):
            self.last = now
            if self.terminal:
                self.bar.set_postfix_str(f"{self.speed(now)}, {self.success()}", refresh=False)
                self.bar.update(self.num_timesteps - self.bar.n)
            else:
                self.say(f"{self.num_timesteps:,}/{self.total:,} steps, {self.speed(now)}, {self.success()}")
        return True

    def on_evaluation(self, result: Evaluation) -> None:
        """One line for each evaluation."""
        self.say(f"  {result.steps:,} steps: evaluation without exploration {format_rate(result.success)}")

    def say(self, text: str) -> None:
        """One line beside the bar."""
        tqdm.write(text, file=sys.stderr)
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the bar as it stands and go to a new line."""
        if self.bar is not None:
            self.bar.update(self.num_timesteps - self.bar.n)
            self.bar.close()
