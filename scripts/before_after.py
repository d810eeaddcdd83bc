"""A GIF of a policy before and after training: the same seeds, on the left with fresh weights, on the right trained.

    python scripts/before_after.py --ckpt checkpoints/first.zip --env FetchReach-v4 --out videos/before_after.gif

Needs a rendering backend. Both halves act as in training, the fresh one with its noise and the trained one without.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from common.cli import guarded, parse
from common.seeds import parse_seeds


@dataclass(frozen=True)
class BeforeAfter:
    """Film a policy untrained beside trained."""

    ckpt: str
    """Checkpoint of a run of this project."""
    env: str
    """Environment id."""
    out: str
    """GIF or MP4 to write."""
    seeds: str = "0-3"
    """Of the episodes, the same on both sides."""
    size: int = 160
    """Pixels of one episode's picture."""


def beside(left: list[np.ndarray], right: list[np.ndarray], gap: int = 12) -> list[np.ndarray]:
    """Frames (H, W, 3) of two films of equal size, with a white gap between; the shorter one waits at its end."""
    longest = max(len(left), len(right))
    pairs = zip(*(film + [film[-1]] * (longest - len(film)) for film in (left, right)), strict=True)
    return [np.concatenate([a, np.full((len(a), gap, 3), 255, np.uint8), b], axis=1) for a, b in pairs]


def film_both(config: BeforeAfter) -> int:
    """Record both and write them."""
    from agents.build import build_policy
    from agents.checkpoint import load_policy, zip_path
    from common.files import check_writable
    from envs.make import make_env
    from envs.task import Task
    from envs.video import film, in_a_grid, write_video

    check_writable(config.out)
    env, seeds = make_env(config.env), parse_seeds(config.seeds)
    trained, meta = load_policy(zip_path(config.ckpt), env, config.env, "cpu")
    fresh = build_policy(meta.config, env, "cpu")
    env.close()
    halves = [
        in_a_grid(film(lambda: fresh, Task(config.env), seeds, config.size, deterministic=False, n_envs=1)),
        in_a_grid(film(lambda: trained, Task(config.env), seeds, config.size, n_envs=1)),
    ]
    write_video(config.out, beside(*halves))
    print(f"video -> {config.out}")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: film_both(parse(BeforeAfter, None, "before_after.py"))))
