"""A progress bar: steps, steps per second, time left, success rate of the last episodes."""

from __future__ import annotations

import shutil
import sys
import time

from stable_baselines3.common.callbacks import BaseCallback
from tqdm import tqdm


class Progress(BaseCallback):
    """Draws on stderr; where that is no terminal, one line every `interval` seconds instead of a moving bar."""

    def __init__(self, total: int, done: int = 0, interval: float = 10.0):
        super().__init__()
        self.terminal = sys.stderr.isatty()
        self.interval = interval
        self.started = self.last = time.monotonic()
        self.first, self.total = done, total
        self.bar = tqdm(
            total=total, initial=done, unit=" steps", ncols=shutil.get_terminal_size().columns,
            disable=not self.terminal,
            bar_format="{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} steps, {rate_fmt}, {remaining} left{postfix}",
        )  # fmt: skip

    def success(self) -> str:
        """Success rate over the last training episodes, with their number, as text."""
        recent = self.model.ep_success_buffer
        return f"training success {sum(recent) / len(recent):.0%} of last {len(recent)}" if recent else "no episode yet"

    def _on_step(self) -> bool:
        now = time.monotonic()
        if self.terminal:
            # Not at every step: text on a slow terminal would cost more than the simulation.
            if now - self.last > 0.2:
                self.last = now
                self.bar.set_postfix_str(self.success(), refresh=False)
                self.bar.update(self.num_timesteps - self.bar.n)
        elif now - self.last > self.interval:
            self.last = now
            rate = (self.num_timesteps - self.first) / (now - self.started)
            left = (self.total - self.num_timesteps) / rate
            print(
                f"{self.num_timesteps:,}/{self.total:,} steps, {rate:.0f} steps/s, {left:.0f} s left, {self.success()}",
                file=sys.stderr, flush=True,
            )  # fmt: skip
        return True

    def say(self, text: str) -> None:
        """One line beside the bar."""
        tqdm.write(text, file=sys.stderr)
        sys.stderr.flush()

    def close(self) -> None:
        """Leave the bar as it stands and go to a new line."""
        if self.terminal and hasattr(self, "model"):
            self.bar.update(self.num_timesteps - self.bar.n)
        self.bar.close()
