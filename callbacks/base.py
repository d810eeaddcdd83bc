"""Callbacks of a run: Stable-Baselines3's, with what a run of segments has beyond one call of `learn`.

    class Slower(RunCallback):
        factor = 1.0

        def on_segment_start(self, segment):
            self.training_env.set_attr("speed", self.factor)

        def on_evaluation(self, result):
            self.factor *= 0.9 if result.success.rate > 0.9 else 1.0

        def state(self):
            return {"factor": self.factor}

        def load(self, state):
            self.factor = state["factor"]

    train.run(config, callbacks=[Slower()])

A run is a sequence of segments, each a `learn` call that ends with a checkpoint. An interrupted run repeats the segment
that it was in, from that segment's seed. So whatever a callback does to the training environments it does in
`on_segment_start`, from its state: then a continued run equals an uninterrupted one bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

from analysis.reports import Evaluation
from common.errors import UserError


class RunCallback(BaseCallback):
    """A callback that also hears of segments and evaluations, and whose state is part of the checkpoint.

    `self.model`, `self.training_env` and `self.logger` are there in every method. `self.model.policy` always holds the
    current weights. To stop a run that went wrong, raise `common.errors.TrainingFailure` with the reason: the last good
    checkpoint is kept. To stop one that is as it should be, return False from `_on_step`: it ends as interrupted.
    """

    @property
    def name(self) -> str:
        """Under which name the state is stored; to be overridden where a run has two callbacks of one class."""
        return type(self).__name__

    def on_segment_start(self, segment: int) -> None:
        """Before segment number `segment` (from 0), its seeds set and its environments not reset yet."""

    def on_evaluation(self, result: Evaluation) -> None:
        """After an evaluation, and before the checkpoint that includes it."""

    def state(self) -> dict[str, Any]:
        """Plain JSON that `load` takes, as of the end of a segment; to be overridden where there is any."""
        return {}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`, before the first segment of a continued run."""

    def _on_step(self) -> bool:
        return True


class Together(CallbackList):
    """Callbacks one after another, as Stable-Baselines3 calls a list of them; notes whether one ended the training."""

    ended = False

    def _on_step(self) -> bool:
        going_on = super()._on_step()
        self.ended = self.ended or not going_on
        return going_on


class Hooks:
    """All callbacks of a run, stock ones among them, in the order in which they are called.

    Raises `ValueError` where the states of two of them would be stored under one name.
    """

    def __init__(self, callbacks: Iterable[BaseCallback], model: BaseAlgorithm):
        self.all = Together(list(callbacks))
        self.own = [callback for callback in self.all.callbacks if isinstance(callback, RunCallback)]
        self.stateful: dict[str, RunCallback] = {}
        for callback in self.own:
            callback.model = model
            if type(callback).state is not RunCallback.state:
                if callback.name in self.stateful:
                    raise ValueError(f"two callbacks are called {callback.name}: override `name` in one of them")
                self.stateful[callback.name] = callback

    def segment_start(self, segment: int) -> None:
        """Tell each that a segment begins."""
        for callback in self.own:
            callback.num_timesteps = callback.model.num_timesteps
            callback.on_segment_start(segment)

    def evaluation(self, result: Evaluation) -> None:
        """Tell each of an evaluation."""
        for callback in self.own:
            callback.on_evaluation(result)

    def states(self) -> dict[str, Any]:
        """The state of each callback that keeps one, by its name. Raises `TypeError` where one is not plain JSON."""
        # Through JSON and back: what the checkpoint holds shares nothing with what the callback goes on changing.
        return {name: json.loads(json.dumps(one.state(), allow_nan=False)) for name, one in self.stateful.items()}

    def load(self, states: dict[str, Any]) -> None:
        """Give each its state of an earlier run. Raises `UserError` where other callbacks made that run."""
        if self.stateful.keys() != states.keys():
            then, now = (", ".join(sorted(names)) or "none" for names in (states, self.stateful))
            raise UserError(
                f"the run was made with other callbacks (then: {then}; now: {now}); pass the same ones, or another "
                "--out, or add --overwrite."
            )
        for name, callback in self.stateful.items():
            try:
                callback.load(states[name])
            # The state comes out of a file, and the callback may be of another version.
            except Exception as error:
                reason = (str(error).splitlines() or [""])[0]
                raise UserError(
                    f"the stored state of {name} does not fit ({type(error).__name__}: {reason})."
                ) from error
