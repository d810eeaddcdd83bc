"""Where the time of an off-policy run goes: seconds in each part of Stable-Baselines3's loop, stock or ours.

The parts are methods that every off-policy class of Stable-Baselines3 has; a watch is put around each of one model.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm


class Stopwatch:
    """Seconds by part of the loop of `model`, from the moment this is made; `parts` says what they are.

    The parts exclude each other: sampling happens inside of `train` and is taken out of it.
    """

    def __init__(self, model: OffPolicyAlgorithm):
        self.seconds = dict.fromkeys(("simulate", "act", "store", "sample", "train"), 0.0)
        self.began = time.perf_counter()
        self._watch(model.env, "step", "simulate")
        self._watch(model, "_sample_action", "act")
        self._watch(model, "_store_transition", "store")
        self._watch(model.replay_buffer, "sample", "sample")
        self._watch(model, "train", "train")

    def _watch(self, owner: Any, method: str, part: str) -> None:
        original: Callable[..., Any] = getattr(owner, method)

        def timed(*arguments: Any, **options: Any) -> Any:
            began = time.perf_counter()
            try:
                return original(*arguments, **options)
            finally:
                self.seconds[part] += time.perf_counter() - began

        setattr(owner, method, timed)

    def parts(self) -> dict[str, float]:
        """Seconds so far: simulate, act, store, sample, update, and the rest of the loop."""
        whole = time.perf_counter() - self.began
        done = dict(self.seconds)
        update = done.pop("train") - done["sample"]
        return done | {"update": update, "rest": whole - sum(done.values()) - update}
