"""Episodes side by side, with the action that reached the simulator drawn under each picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from envs.rollout import run_episodes
from envs.video import film, in_a_grid

# The three numbers that move the arm; Okabe and Ito's blue, vermilion and green.
COLOURS, NAMES = ((0, 114, 178), (213, 94, 0), (0, 158, 115)), "xyz"
HEIGHT = 0.42  # of the strip, as a share of the picture's


def strip(actions: np.ndarray, now: int, width: int, height: int) -> np.ndarray:
    """Components -1 to 1 of the `actions` (T, A) up to step `now`, as lines over the episode, (height, width, 3) uint8.

    At `now` = 0 no action has been taken yet.
    """
    image = Image.new("RGB", (2 * width, 2 * height), "white")
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(12, width // 10))
    left, right, top, bottom = width // 6, 2 * width - 8, 8, 2 * height - 8

    def place(step: float, value: float) -> tuple[float, float]:
        return left + (right - left) * step / len(actions), top + (bottom - top) * (1 - value) / 2

    for value in (-1, 0, 1):
        draw.line([place(0, value), place(len(actions), value)], fill=(205, 205, 205), width=2)
    for i, (colour, name) in enumerate(zip(COLOURS, NAMES, strict=True)):
        draw.text((8, place(0, 0.75 - 0.75 * i)[1]), name, fill=colour, font=font, anchor="lm")
        # Each action is held for a step: a staircase.
        steps = [place(t + end, actions[t, i]) for t in range(now) for end in (0, 1)]
        if len(steps) > 1:
            draw.line(steps, fill=colour, width=3)
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def side_by_side(subjects: dict[str, Any], seeds: list[int], size: int = 240) -> list[np.ndarray]:
    """Frames of the same episodes by each of `subjects` (name: `evaluation.subject.Subject`), a column each.

    (H, W, 3) uint8, one episode after another. Needs a rendering backend.
    """
    frames: list[np.ndarray] = []
    for seed in seeds:
        columns = []
        for name, subject in subjects.items():
            (pictures,) = film(subject.make_policy, subject.task, [seed], size, n_envs=1, caption=name)
            # The same episode once more, for what reached the simulator.
            (trace,) = run_episodes(subject.make_policy, subject.task.make, [seed])
            columns.append([
                np.concatenate([picture, strip(trace.applied_actions, step, size, int(HEIGHT * size))])
                for step, picture in enumerate(pictures)
            ])  # fmt: skip
        frames += in_a_grid(columns, len(columns))
    return frames
