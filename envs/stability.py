"""Raise on divergence, instead of MuJoCo's silent reset.

Where positions, velocities or accelerations are not finite or huge, MuJoCo writes a warning, resets its state to the
model's default pose and goes on: observations stay finite and mean nothing. `IndexedFetch.step` sees that by the clock
and raises what is made here.
"""

from __future__ import annotations

import sys
import threading
from typing import Any

import mujoco
import numpy as np

from common.errors import TrainingFailure

# What MuJoCo said last about a simulation that ran in this thread.
_said: dict[int, str] = {}


class UnstableSimulation(TrainingFailure):
    """Physics met numbers that are not finite, or huge; says where."""


def _hear(message: str) -> None:
    if "unstable" in message:
        _said[threading.get_ident()] = message
    else:
        print(f"MuJoCo: {message}", file=sys.stderr)


# In place of lines on the terminal and a MUJOCO_LOG.TXT in the folder where the user happens to be.
mujoco.set_mju_user_warning(_hear)


def unstable(action: Any) -> UnstableSimulation:
    """The error to raise after a step with `action` in which MuJoCo reset itself."""
    said = _said.pop(threading.get_ident(), "The simulation is unstable.")
    if not np.isfinite(action).all():
        return UnstableSimulation(f"the action {np.asarray(action).tolist()} is not finite")
    return UnstableSimulation(f"physics broke down: {said}")
