"""Which numbers a setting may have: what no run can use, or no machine can do, is refused before any work begins.

The upper bounds are far beyond what anybody would want. They are there for a slip of the keyboard, which would
otherwise fill the memory until the system kills the run, or never end.
"""

from __future__ import annotations

from typing import Any

from common.errors import UserError

# Layers, units of one, and weights between all hidden layers of one network.
MOST_LAYERS, WIDEST, MOST_WEIGHTS = 32, 16_384, 2**25
# Transitions of one PPO rollout, all environments together.
LARGEST_ROLLOUT = 10_000_000
ANY = float("inf")
# Whole numbers from 1 to …
COUNTS = {
    "total_steps": 10**12, "checkpoint_every": 10**12, "buffer_size": 10**9, "n_envs": 4_096, "threads": 256,
    "batch_size": 2**18, "train_freq": 10**6, "n_steps": 10**6, "n_epochs": 10_000, "policy_delay": 10**6,
    "her_n_sampled_goal": 1_000, "eval_episodes": 10_000,
}  # fmt: skip
# (lowest, highest), both allowed.
RANGES = {
    "gamma": (0, 1), "tau": (0, 1), "gae_lambda": (0, 1), "learning_rate_end_factor": (0, 1),
    "random_action_prob": (0, 1), "moved_fraction": (0, 1), "achieved_goal_prob": (0, 1),
    "learning_starts": (0, 10**12), "eval_every": (0, 10**12), "gradient_steps": (-1, 10**6),
    "action_noise": (0, ANY), "target_policy_noise": (0, ANY), "target_noise_clip": (0, ANY), "clip_range": (0, ANY),
    "noise_beta": (0, ANY), "ent_coef": (0, ANY), "vf_coef": (0, ANY), "action_persistence": (1, 10**6),
}  # fmt: skip
ABOVE_ZERO = ("learning_rate", "max_grad_norm")


def check_net_arch(layers: Any) -> str | None:
    """Why these hidden layers are none that a run here could have; None where they are fine."""
    if not isinstance(layers, list | tuple) or not layers:
        return "give at least one layer, each with at least one unit"
    if not all(type(units) is int and units >= 1 for units in layers):
        return "give at least one layer, each with at least one unit"
    if len(layers) > MOST_LAYERS:
        return f"more than {MOST_LAYERS} layers"
    if max(layers) > WIDEST:
        return f"more than {WIDEST:,} units in a layer"
    if sum(a * b for a, b in zip(layers, layers[1:], strict=False)) > MOST_WEIGHTS:
        return f"more than {MOST_WEIGHTS:,} weights"
    return None


def _check_number(key: str, value: float, flag: str) -> None:
    """Raise `UserError` where `value` lies outside of the setting's range."""
    if not abs(value) < float("inf"):
        raise UserError(f"{flag}: a finite number is needed.")
    if (key in COUNTS or key in ABOVE_ZERO) and value <= 0:
        raise UserError(f"{flag}: must be above 0.")
    if value > COUNTS.get(key, ANY):
        raise UserError(f"{flag}: must be at most {COUNTS[key]:,}; no run here can use more.")
    low, high = RANGES.get(key, (-ANY, ANY))
    if low <= value <= high:
        return
    if high == 1:
        raise UserError(f"{flag}: must lie between 0 and 1.")
    if value > high:
        raise UserError(f"{flag}: must be at most {high:,}; no run here can use more.")
    raise UserError(f"{flag}: must not be negative." if low == 0 else f"{flag}: must be at least {low}.")


def check_ranges(values: dict[str, Any], algo: str, episode: int) -> None:
    """Raise `UserError` on a setting that no run can use, such as a discount of 2. `episode`: the task's length."""
    for key, value in values.items():
        name = f"--{key.replace('_', '-')}"
        if value is None:
            raise UserError(f"{name} has no value.")
        if isinstance(value, int | float) and not isinstance(value, bool):
            _check_number(key, value, f"{name} {value}")
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
