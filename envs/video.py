"""A grid of episodes as MP4 or GIF, each marked: grey while under way, green while solved, red if it ended unsolved."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image, ImageDraw

from common.errors import UserError
from common.files import write_atomically
from envs.make import FETCH_IDS
from envs.rollout import Policy, run_episodes
from envs.task import Task

GREY, GREEN, RED = (120, 120, 120), (30, 160, 60), (200, 40, 40)
FPS = 25  # the Fetch tasks act 25 times a second
# Nearer than the tasks' own camera, so that hand, object and target are more than a few pixels of a small cell.
CAMERA = {"distance": 1.5, "azimuth": 132.0, "elevation": -20.0, "lookat": np.array([1.3, 0.75, 0.5])}
HOLD = 15  # frames that the last picture stays, so that the marks can be read


def mark(frame: np.ndarray, colour: tuple[int, int, int], caption: str) -> np.ndarray:
    """A copy of `frame` (H, W, 3, uint8) with a coloured border and a caption in its lower left corner."""
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image)
    width = max(3, frame.shape[0] // 40)
    draw.rectangle((0, 0, frame.shape[1] - 1, frame.shape[0] - 1), outline=colour, width=width)
    draw.text((2 * width, frame.shape[0] - 2 * width - 12), caption, fill=(0, 0, 0))
    return np.asarray(image)


def grid(cells: Sequence[np.ndarray]) -> np.ndarray:
    """Cells of equal shape (H, W, 3) side by side, in rows of about the square root of their number."""
    columns = math.ceil(math.sqrt(len(cells)))
    rows = math.ceil(len(cells) / columns)
    blank = np.full_like(cells[0], 255)
    filled = [*cells, *[blank] * (rows * columns - len(cells))]
    return np.concatenate([np.concatenate(filled[r * columns : (r + 1) * columns], axis=1) for r in range(rows)])


def record(
    make_policy: Callable[[], Policy],
    task: Task,
    seeds: Sequence[int],
    size: int = 240,
    deterministic: bool = True,
    n_envs: int = 2,
) -> list[np.ndarray]:
    """Frames (H, W, 3) of a grid of the episodes with these seeds, `size` pixels a cell. Needs a rendering backend."""
    strips: list[list[np.ndarray]] = [[] for _ in seeds]

    def keep(index: int, env: gym.Env, success: bool) -> None:
        picture = mark(env.render(), GREEN if success else GREY, f"seed {seeds[index]}")
        strips[index].append(picture)

    def make() -> gym.Env:
        view = {"default_camera_config": CAMERA} if task.env_id in FETCH_IDS else {}
        return task.make(render_mode="rgb_array", width=size, height=size, **view)

    traces = list(run_episodes(make_policy, make, seeds, n_envs, deterministic, on_step=keep))
    for strip, trace in zip(strips, traces, strict=True):
        if not trace.successes[-1]:
            strip[-1] = mark(strip[-1], RED, "")
    longest = max(len(strip) for strip in strips) + HOLD
    padded = [strip + [strip[-1]] * (longest - len(strip)) for strip in strips]
    return [grid([strip[t] for strip in padded]) for t in range(longest)]


def encode(frames: Sequence[np.ndarray], suffix: str) -> bytes:
    """The frames as `.mp4` (H.264) or `.gif`. Raises `UserError` on another suffix."""
    if suffix == ".gif":
        # One palette for all frames, from the last one, where every mark has its colour: no flicker, small files.
        palette = Image.fromarray(frames[-1]).quantize(64)
        pictures = [Image.fromarray(f).quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
        stream = io.BytesIO()
        pictures[0].save(
            stream, "GIF", save_all=True, append_images=pictures[1:], duration=1000 // FPS, loop=0, optimize=True
        )
        return stream.getvalue()
    if suffix == ".mp4":
        import imageio.v3 as imageio

        # H.264 halves the colour planes, so both sides must be even.
        even = [f[: f.shape[0] // 2 * 2, : f.shape[1] // 2 * 2] for f in frames]
        return imageio.imwrite("<bytes>", np.stack(even), extension=".mp4", plugin="pyav", codec="libx264", fps=FPS)
    raise UserError(f"video format {suffix or 'without ending'}: use .mp4 or .gif.")


def write_video(path: str | Path, frames: Sequence[np.ndarray]) -> None:
    """Write the frames in the format of the file's ending, in one step."""
    write_atomically(path, encode(frames, Path(path).suffix.lower()))
