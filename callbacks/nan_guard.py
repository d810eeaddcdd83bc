"""Stops a run at the first NaN or infinity, before it spreads into a checkpoint, and keeps what it saw."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from analysis.errors import TrainingFailure
from analysis.files import write_atomically


class NanGuard(BaseCallback):
    """Looks at every observation and reward, and at every loss that was logged.

    On the first value that is not finite it writes `dump` (an .npz with the observation, action and reward of the step
    and the losses) and raises `TrainingFailure`.
    """

    def __init__(self, dump: Path):
        super().__init__()
        self.dump = dump

    def _fail(self, what: str, arrays: dict[str, Any]) -> None:
        stream = io.BytesIO()
        np.savez(stream, steps=self.num_timesteps, **arrays)
        write_atomically(self.dump, stream.getvalue())
        raise TrainingFailure(f"{what} is not finite at step {self.num_timesteps}; the state is in {self.dump}")

    def _losses(self) -> dict[str, float]:
        values = self.logger.name_to_value
        return {key: float(value) for key, value in values.items() if key.startswith("train/") and "loss" in key}

    def _on_rollout_start(self) -> None:
        losses = self._losses()
        for key, value in losses.items():
            if not math.isfinite(value):
                self._fail(key, {name.replace("/", "."): number for name, number in losses.items()})

    def _on_step(self) -> bool:
        observation, rewards = self.locals["new_obs"], self.locals["rewards"]
        parts = observation if isinstance(observation, dict) else {"observation": observation}
        for key, value in parts.items():
            if not np.isfinite(value).all():
                self._fail(f"{key} of the environment", {**parts, "actions": self.locals["actions"]})
        if not np.isfinite(rewards).all():
            self._fail("reward", {**parts, "actions": self.locals["actions"], "rewards": rewards})
        return True
