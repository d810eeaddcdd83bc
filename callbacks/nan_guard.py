"""Stops a run at the first NaN or infinity, before it spreads into a checkpoint, and keeps what it saw."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.callbacks import BaseCallback

from common.errors import TrainingFailure
from common.files import write_atomically


def _parts(observation: Any) -> dict[str, np.ndarray]:
    """An observation as a dictionary, whichever kind it is; empty before the first one."""
    if observation is None:
        return {}
    return observation if isinstance(observation, dict) else {"observation": observation}


class NanGuard(BaseCallback):
    """Looks at every observation, action and reward, at every loss, and at the weights before they are written.

    On the first value that is not finite it writes `dump` (an .npz with the observation, action and reward of the step
    and the losses) and raises `TrainingFailure`.
    """

    def __init__(self, dump: Path):
        super().__init__()
        self.dump = dump
        self.kept = False

    def keep(self, **arrays: Any) -> None:
        """Write the dump: `arrays`, the losses, and what was last observed; nothing before training has begun."""
        if self.kept or not hasattr(self, "model"):
            return
        self.kept = True
        losses = {name.replace("/", "."): value for name, value in self._losses().items()}
        last = {f"last.{key}": value for key, value in _parts(self.model._last_obs).items()}
        stream = io.BytesIO()
        np.savez(stream, steps=self.num_timesteps, **(last | losses | arrays))
        write_atomically(self.dump, stream.getvalue())

    def _fail(self, what: str, **arrays: Any) -> None:
        self.keep(**arrays)
        raise TrainingFailure(f"{what} is not finite at step {self.num_timesteps}; the state is in {self.dump}")

    def _losses(self) -> dict[str, float]:
        values = self.logger.name_to_value
        return {key: float(value) for key, value in values.items() if key.startswith("train/") and "loss" in key}

    def _check_losses(self) -> None:
        for key, value in self._losses().items():
            if not math.isfinite(value):
                self._fail(key)

    def _on_training_start(self) -> None:
        for key, value in _parts(self.model._last_obs).items():
            if not np.isfinite(value).all():
                self._fail(f"{key} of the environment's reset")

    def _on_rollout_start(self) -> None:
        self._check_losses()

    def _on_training_end(self) -> None:
        # What follows is a checkpoint. Losses alone would miss an update whose gradient was the first to overflow.
        self._check_losses()
        # Our learner keeps its weights elsewhere until they are asked for.
        if hasattr(self.model, "publish"):
            self.model.publish()
        for name, tensor in self.model.policy.state_dict().items():
            if not torch.isfinite(tensor).all():
                self._fail(f"weight {name}")

    def _on_step(self) -> bool:
        actions, rewards = self.locals["actions"], self.locals["rewards"]
        parts = _parts(self.locals["new_obs"])
        if not np.isfinite(actions).all():
            self._fail("action of the policy", actions=actions, **parts)
        # Where an episode ended, the observation is already the next one's first.
        ends = [_parts(info["terminal_observation"]) for info in self.locals["infos"] if "terminal_observation" in info]
        for observation in (parts, *ends):
            for key, value in observation.items():
                if not np.isfinite(value).all():
                    self._fail(f"{key} of the environment", actions=actions, **observation)
        if not np.isfinite(rewards).all():
            self._fail("reward", actions=actions, rewards=rewards, **parts)
        return True
