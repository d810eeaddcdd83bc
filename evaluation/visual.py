"""A student from pixels under another camera, light, colours, and with part of its picture hidden."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from analysis.randomization import robot_rows
from analysis.readiness import deployment_row
from common.errors import UserError, closest
from configs.pixels import run_config
from configs.sweep import words
from evaluation.grid import Found, Point, evaluate_grid

# What is done to pictures in training, by the arm's name: the sizes of chapter 09.
AUGMENTATIONS = {"none": "none", "shift": "shift:pad=1", "crop": "crop", "jitter": "jitter"}
AS_TRAINED = "as trained"
SHIFTS = {
    AS_TRAINED: "",
    "camera turned 2°": "scene:camera=2",
    "camera turned 5°": "scene:camera=5",
    "camera moved 1 cm": "scene:move=0.01",
    "camera moved 3 cm": "scene:move=0.03",
    "view ±10%": "scene:zoom=0.1",
    "light ±20%": "scene:light=0.2",
    "light ±50%": "scene:light=0.5",
    "colours ±0.1": "scene:color=0.1",
    "colours ±0.3": "scene:color=0.3",
    "2% hidden": "scene:occlusion=0.02",
    "10% hidden": "scene:occlusion=0.1",
}


def arms_of(augmentations: str, students: str | None) -> dict[str, str | None]:
    """What finished checkpoints begin with, by augmentation; None where they have to be trained.

    `students`: NAME=PREFIX, joined by commas. Raises `UserError`.
    """
    given = {}
    for text in (part for part in (students or "").split(",") if part):
        name, _, prefix = text.partition("=")
        if not prefix:
            raise UserError(f"--students {text}: NAME=PREFIX is needed, such as shift=runs/ch09/student_seed.")
        given[name] = prefix
    arms = [name for name in augmentations.split(",") if name]
    for name in (*arms, *given):
        if name not in AUGMENTATIONS:
            raise UserError(
                f"unknown augmentation {name}.{closest(name, AUGMENTATIONS)} Known: {', '.join(AUGMENTATIONS)}."
            )
    if not arms:
        raise UserError("--augmentations: at least one is needed.")
    return {name: given.get(name) for name in arms}


def student_flags(name: str, seed: int, total_steps: int | None, smoke: bool) -> list[str]:
    """Flags of train.py for a student of chapter 09 (`distil`) that is trained with the augmentation `name`."""
    changes = {"augment": AUGMENTATIONS[name]} | ({} if total_steps is None else {"total_steps": total_steps})
    config = run_config("distil", seed, None, changes, smoke)
    return [word for word in words(config) if word not in ("--smoke", "--out", str(config.out))]


def look(
    trained: Sequence[tuple[str, int, str]], env_id: str, episodes: int, keep: str | Path | None = None,
    tell: Callable[[Found], None] | None = None, shifts: Mapping[str, str] = SHIFTS,
) -> dict[str, Any]:  # fmt: skip
    """Success of students, `trained` (augmentation, seed, checkpoint), under each of `shifts`: rows of `robot_rows`."""
    points = [
        Point(path, env_id, (wrap,) if wrap else (), {"arm": arm, "seed": seed, "robot": shift})
        for arm, seed, path in trained for shift, wrap in shifts.items()
    ]  # fmt: skip
    found = evaluate_grid(points, range(episodes), deployment_row, keep=keep, tell=tell)
    rows = robot_rows([(*(f.point.labels[key] for key in ("arm", "seed", "robot")), f.rows) for f in found])
    return {"rows": rows, "shifts": dict(shifts)}
