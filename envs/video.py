"""A grid of episodes as MP4 or GIF: grey border while unsolved, green while solved, red if the episode ended unsolved.

On the Fetch tasks the camera is near, and a ring is drawn around the goal where it counts as reached.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from common.errors import UserError
from common.files import write_atomically
from envs.camera import CAMERAS, hide_mocap, task_of, with_goal
from envs.make import FETCH_IDS
from envs.rollout import Policy, run_episodes
from envs.task import Task

GREY, GREEN, RED = (120, 120, 120), (30, 160, 60), (200, 40, 40)
FPS = 25  # the Fetch tasks act 25 times a second
SMALLEST = 16  # pixels of a picture
HOLD = 15  # frames for which the last picture stays, so that the marks can be read


def mark(frame: np.ndarray, colour: tuple[int, int, int], caption: str) -> np.ndarray:
    """A copy of `frame` (H, W, 3, uint8) with a coloured border and a caption in its lower left corner."""
    image = Image.fromarray(frame)
    draw = ImageDraw.Draw(image)
    width = max(3, frame.shape[0] // 40)
    draw.rectangle((0, 0, frame.shape[1] - 1, frame.shape[0] - 1), outline=colour, width=width)
    font = ImageFont.load_default(max(11, frame.shape[0] // 16))
    draw.text((2 * width, frame.shape[0] - 2 * width), caption, fill=(0, 0, 0), font=font, anchor="ls")
    return np.asarray(image)


def grid(cells: Sequence[np.ndarray], columns: int | None = None) -> np.ndarray:
    """Cells of equal shape (H, W, 3) in rows of `columns`, by default about the square root of their number."""
    columns = columns or math.ceil(math.sqrt(len(cells)))
    rows = math.ceil(len(cells) / columns)
    blank = np.full_like(cells[0], 255)
    filled = [*cells, *[blank] * (rows * columns - len(cells))]
    return np.concatenate([np.concatenate(filled[r * columns : (r + 1) * columns], axis=1) for r in range(rows)])


def film(
    make_policy: Callable[[], Policy],
    task: Task,
    seeds: Sequence[int],
    size: int = 240,
    deterministic: bool = True,
    n_envs: int = 2,
    caption: str | None = None,
) -> list[list[np.ndarray]]:
    """For each seed the frames (size, size, 3) of its episode, with marks. Needs a rendering backend.

    `caption` stands in each frame; by default it is the seed. Raises `UserError` without seeds, and on a size below
    `SMALLEST` pixels.
    """
    if not seeds or size < SMALLEST:
        raise UserError(f"a film needs an episode, and pictures of at least {SMALLEST} pixels.")
    strips: list[list[np.ndarray]] = [[] for _ in seeds]
    fetch = task.env_id in FETCH_IDS

    def keep(index: int, env: gym.Env, success: bool) -> None:
        picture = with_goal(env.render(), env) if fetch else env.render()
        strips[index].append(mark(picture, GREEN if success else GREY, caption or f"seed {seeds[index]}"))

    def make() -> gym.Env:
        view = {"default_camera_config": CAMERAS[task_of(task.env_id)]} if fetch else {}
        env = task.make(render_mode="rgb_array", width=size, height=size, **view)
        if fetch:
            hide_mocap(env)
        return env

    traces = list(run_episodes(make_policy, make, seeds, n_envs, deterministic, on_step=keep))
    for strip, trace in zip(strips, traces, strict=True):
        if not trace.successes[-1]:
            strip[-1] = mark(strip[-1], RED, "")
    return strips


def in_a_grid(strips: Sequence[Sequence[np.ndarray]], columns: int | None = None) -> list[np.ndarray]:
    """Films of frames (H, W, 3) in a grid, together; each ends with its last one held until the longest is over."""
    longest = max(len(strip) for strip in strips) + HOLD
    padded = [[*strip, *[strip[-1]] * (longest - len(strip))] for strip in strips]
    return [grid([strip[t] for strip in padded], columns) for t in range(longest)]


def encode(frames: Sequence[np.ndarray], suffix: str, fps: int = FPS) -> bytes:
    """The frames (H, W, 3) uint8 as `.mp4` (H.264) or `.gif`. Raises `UserError` on another suffix."""
    if suffix == ".gif":
        # One palette for all frames, from the last one, where every mark has its colour: no flicker, small files.
        palette = Image.fromarray(frames[-1]).quantize(64)
        pictures = [Image.fromarray(f).quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
        stream = io.BytesIO()
        pictures[0].save(
            stream, "GIF", save_all=True, append_images=pictures[1:], duration=1000 // fps, loop=0, optimize=True
        )
        return stream.getvalue()
    if suffix == ".mp4":
        import imageio.v3 as imageio

        # H.264 halves the colour planes, so both sides must be even.
        even = [f[: f.shape[0] // 2 * 2, : f.shape[1] // 2 * 2] for f in frames]
        return imageio.imwrite("<bytes>", np.stack(even), extension=".mp4", plugin="pyav", codec="libx264", fps=fps)
    raise UserError(f"video format {suffix or 'without ending'}: use .mp4 or .gif.")


def write_video(path: str | Path, frames: Sequence[np.ndarray], fps: int = FPS) -> None:
    """Write the frames (H, W, 3) uint8 in the format of the file's ending, in one step. Raises as `encode` does."""
    write_atomically(path, encode(frames, Path(path).suffix.lower(), fps))
