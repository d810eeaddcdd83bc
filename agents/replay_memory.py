"""What a replay buffer takes, before it is filled: frames fill a memory long before anybody looks.

NumPy gets memory from the system page by page as it is written to, so a buffer that is too large is made without a
word, and hours later the system kills the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from agents.replay import extra_boxes, flat_keys, kept_shapes
from common.errors import UserError

# Actions, reward and end of an episode, of the Fetch tasks.
REST = 24


def stacked_frames(env: VecEnv) -> dict[str, int]:
    """Which observations stack frames, and how many, asked of the first environment."""
    return env.get_attr("stacked_frames", indices=[0])[0] if env.has_attr("stacked_frames") else {}


def bytes_per_transition(space: gym.Space, stacks: Mapping[str, int] | None = None, length: int = 50) -> int:
    """Bytes that a transition of episodes of `length` steps adds to `EpisodeReplay`; an episode has one more frame."""
    if not isinstance(space, gym.spaces.Dict):
        return 2 * gym.spaces.flatdim(space) * space.dtype.itemsize + REST
    extra = extra_boxes(space)
    shapes = kept_shapes(extra, dict(stacks or {}))
    once = sum(int(np.prod(shape)) * extra[key].dtype.itemsize for key, shape in shapes.items())
    once += 4 * sum(gym.spaces.flatdim(space[key]) for key in flat_keys(space))
    return round(once * (length + 1) / length) + REST


def available() -> int | None:
    """Bytes of main memory that can be had now, within the limit of a container; None where nobody says."""
    found = []
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        found += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")]
        limit, used = (Path("/sys/fs/cgroup", name).read_text().strip() for name in ("memory.max", "memory.current"))
        found += [int(limit) - int(used)] if limit.isdigit() else []
    except OSError:
        pass
    return min(found, default=None)


def check_memory(transitions: int, each: int, free: int | None) -> None:
    """Raise `UserError` where `transitions` of `each` bytes are more than nine tenths of the `free` bytes."""
    needed = transitions * each
    if free is not None and needed > 0.9 * free:
        fits = int(0.9 * free / each)
        raise UserError(
            f"the replay buffer would hold {transitions:,} transitions of {each:,} bytes = {needed:,} bytes, and "
            f"{free:,} are free here; --buffer-size {fits} fits."
        )
