"""Wrappers by name: `--wrap lowpass:alpha=0.3`, and one of your own with `--wrap my_module:halve:factor=0.5`.

    # my_module.py
    from wrappers.registry import register

    @register("halve")
    class Halve(gym.ActionWrapper):
        def __init__(self, env: gym.Env, factor: float = 0.5): ...

A wrapper's randomness must come from `reset(seed=…)` alone (`wrappers/seeded.py`), so that an episode depends on its
seed and the policy. One that changes rewards defines `compute_reward` too, or is a `gymnasium.RewardWrapper`:
hindsight computes the rewards of other goals (`wrappers/hindsight.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym

from common.registry import Registry

WRAPPERS = Registry(
    "wrapper",
    ("wrappers.actions", "wrappers.noise", "wrappers.pixels", "wrappers.randomization", "wrappers.rewards",
     "wrappers.scene", "wrappers.weld"),
)
_TRAINING_ONLY: set[str] = set()
_DRAWS: set[str] = set()


def register(name: str, training_only: bool = False, draws: bool = False) -> Callable[[Any], Any]:
    """Decorator: make this wrapper available to `--wrap`. Its first argument is the environment.

    `training_only`: it decides which episodes training sees (a curriculum, randomisation) and is no part of the task,
    so that evaluations leave it out. `draws`: it renders, so that a machine without a renderer is told before anything
    begins.
    """
    (_TRAINING_ONLY.add if training_only else _TRAINING_ONLY.discard)(name)
    (_DRAWS.add if draws else _DRAWS.discard)(name)
    return WRAPPERS.register(name)


def is_training_only(text: str) -> bool:
    """Whether evaluations leave this wrapper out."""
    return WRAPPERS.find(text)[0].name in _TRAINING_ONLY


def draws(text: str) -> bool:
    """Whether this wrapper renders."""
    return WRAPPERS.find(text)[0].name in _DRAWS


def wrap(env: gym.Env, text: str) -> gym.Env:
    """`env` inside the wrapper that `text` names. Raises `UserError`."""
    return WRAPPERS.build(text, env)
