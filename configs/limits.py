"""Refuses settings that cannot be run, before any work begins.

The range of a single number stands beside it (agents/settings.py, configs/train_config.py); here is what concerns
several settings together.
"""

from __future__ import annotations

from typing import Any

from common.errors import UserError
from common.knobs import check
from common.net_arch import check_net_arch

# Transitions of one PPO rollout, all environments together.
LARGEST_ROLLOUT = 10_000_000


def check_ranges(values: dict[str, Any], classes: tuple[type, ...], algo: str, episode: int) -> None:
    """Raise `UserError` on a setting that no run can use, such as a discount of 2.

    `classes`: the settings classes that the run reads; `episode`: the task's length.
    """
    for key, value in values.items():
        if value is None:
            raise UserError(f"--{key.replace('_', '-')} has no value.")
        check(value, key, *classes)
    if why := check_net_arch(values["net_arch"]):
        shown = " ".join(map(str, values["net_arch"][:4])) + (" …" if len(values["net_arch"]) > 4 else "")
        raise UserError(f"--net-arch {shown}: {why}.")
    if values.get("gradient_steps") == 0:
        raise UserError("--gradient-steps 0: must be above 0, or -1 for one update a transition.")
    if values.get("clip_targets") and values["gamma"] == 1:
        raise UserError("--clip-targets needs --gamma below 1: the bound is 1 / (1 - gamma).")
    n_steps = values.get("n_steps", 1)
    if algo == "ppo" and n_steps * values["n_envs"] > LARGEST_ROLLOUT:
        raise UserError(f"--n-steps times --n-envs: a rollout holds at most {LARGEST_ROLLOUT:,} transitions.")
    if algo != "ppo" and n_steps > episode:
        raise UserError(f"--n-steps {n_steps}: a return cannot be longer than an episode, which has {episode} steps.")
