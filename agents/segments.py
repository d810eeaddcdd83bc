"""A run as a sequence of segments of whole episodes, each with a seed of its own.

A continued run starts at the last finished segment with that segment's seed, so it repeats nothing and sees nothing
that the uninterrupted run would not have seen.
"""

from __future__ import annotations

import math
import warnings
from collections import deque
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import LinearSchedule
from stable_baselines3.her import HerReplayBuffer

from common.errors import UserError


def segment_seed(seed: int, segment: int) -> int:
    """Seed of one segment, from 2**20 up to 2**30 + 2**20: no evaluation uses seeds from there.

    The environments of a segment reset with this number plus their index, as `VecEnv.seed` does.
    """
    return int(np.random.SeedSequence([seed, segment]).generate_state(1)[0]) % 2**30 + 2**20


def segment_lengths(settings: dict[str, Any], episode: int | None) -> tuple[int, int]:
    """(steps in all, steps in one segment), over all environments together: whole episodes and whole rollouts.

    `episode` is the time limit in steps, None for a task without one. Raises `UserError` where the replay buffer does
    not hold the shortest segment that there can be.
    """
    n_envs = settings["n_envs"]
    if settings["algo"] == "ppo":
        unit = settings["n_steps"] * n_envs
    else:
        unit = math.lcm(episode or 1, settings["train_freq"]) * n_envs
    total = math.ceil(settings["total_steps"] / unit) * unit
    segment = max(1, round(settings["checkpoint_every"] / unit)) * unit
    if settings["algo"] != "ppo":
        # The rows of one segment must not overtake each other in the ring buffer.
        most = (settings["buffer_size"] // n_envs - 1) * n_envs // unit * unit
        if most < unit:
            rounds = f" and whole rounds of --train-freq {settings['train_freq']}" if settings["train_freq"] > 1 else ""
            raise UserError(
                f"--buffer-size {settings['buffer_size']} is too small: a segment has at least {unit:,} steps, whole "
                f"episodes of {n_envs} environments{rounds}, so {unit + n_envs:,} transitions are needed."
            )
        segment = min(segment, most)
    return total, segment


def begin_segment(model: BaseAlgorithm, seed: int, segment: int) -> None:
    """Seed everything random for this segment and make `learn` start with a reset."""
    model.set_random_seed(segment_seed(seed, segment))
    # Without this the first episodes would go on from whatever ran before.
    model._last_obs = None
    # As a continued run reads them from its state: a mean of NumPy's float32 differs from one of Python's numbers.
    if model.ep_success_buffer:
        model.ep_success_buffer = deque(map(float, model.ep_success_buffer), maxlen=model.ep_success_buffer.maxlen)


def falling_rate(first: float, end_factor: float, until: int, total: int) -> LinearSchedule:
    """The learning rate of a segment that ends at step `until` of `total`, for a run from `first` to `first` ·
    `end_factor` in a straight line.

    Stable-Baselines3 asks with 1 − step / `until`: to each of its `learn` calls the run ends where the segment does.
    """
    # r(n) = r₀ + n / N (r_N − r₀)
    return LinearSchedule(first, first * (1.0 + (end_factor - 1.0) * until / total), 1.0)


def close_open_episodes(model: BaseAlgorithm) -> None:
    """Mark episodes that the end of the segment cut (on tasks that end early) as truncated.

    Otherwise the next reset would be recorded inside them, and relabelling would cross it.
    """
    buffer = getattr(model, "replay_buffer", None)
    if isinstance(buffer, HerReplayBuffer):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            buffer.truncate_last_trajectory()
