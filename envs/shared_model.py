"""One MuJoCo model in memory, shared by all environments of a task.

A model is never written to while physics runs. Environments that step in turn on equal copies push each other's out of
the processor's cache: eight a core cost 5 to 7% of a Push step on the two-core test machine, which sharing saves.
"""

from __future__ import annotations

import copy
import threading
from typing import Any

import mujoco

_lock = threading.Lock()
_models: dict[tuple[type, int, int], mujoco.MjModel] = {}


class SharedModel:
    """Mixed in before a MuJoCo environment whose methods read `self._model`, where they only read, and so share it.

    `model` is for everybody else: the environment's own, to look at and to change. From the first time that somebody
    asks for it, the environment runs on its own, so that a change of friction or mass reaches this one alone.
    """

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        # Rendering writes to the model: it moves the site that shows the goal.
        if self.render_mode is None and self.loads_one_model():
            key = (type(self), self.width, self.height)
            with _lock:
                if key not in _models:
                    _models[key] = copy.copy(self._own_model)
                self._model = _models[key]

    def loads_one_model(self) -> bool:
        """Whether all environments of this very class, with frames of this size, load equal models; not unless said."""
        return False

    @property
    def model(self) -> mujoco.MjModel:
        """This environment's own model."""
        self._model = self._own_model
        return self._own_model

    @model.setter
    def model(self, model: mujoco.MjModel) -> None:
        self._own_model = self._model = model
