"""The figures of chapter 01: an annotated frame of Push, the answer to an action, and where Push episodes begin.

python scripts/ch01_figures.py    # reads results/ch01_lab.json, writes runs/ch01/ch01_*.png
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.compare import format_rate
from analysis.reports import DataReport, Rate, load
from common.cli import guarded, parse

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def panels(count: int, width: float) -> tuple[Figure, list[Any]]:
    """A figure of `width` inches with `count` plain axes in a row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 3.8), layout="constrained")
    found = list(figure.subplots(1, count, squeeze=False)[0])
    for axes in found:
        axes.spines[["top", "right"]].set_visible(False)
    return figure, found


def push_frame(width: int, height: int) -> Figure:
    """One frame of Push: gripper, block, goal with its threshold, and 10 cm of each axis of the world frame."""
    import numpy as np
    from matplotlib.figure import Figure

    from analysis.plots import COLOURS
    from envs.camera import projector
    from envs.make import make_env

    env = make_env("FetchPush-v4", render_mode="rgb_array", width=width, height=height)
    seen, _ = env.reset(seed=3)  # here the arm hides neither block nor goal
    renderer, threshold = env.unwrapped.mujoco_renderer, env.unwrapped.distance_threshold
    nearer = {"lookat": np.array([1.32, 0.75, 0.45]), "distance": 1.15, "elevation": -32.0}
    renderer.default_cam_config = renderer.default_cam_config | nearer
    frame = env.render()
    pixel = projector(env, width, height)
    env.close()
    figure = Figure(figsize=(width / 100, height / 100))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(frame)
    axes.set_axis_off()

    def label(text: str, point: Any, offset: tuple[float, float], colour: str) -> None:
        axes.annotate(
            text, pixel(point), offset, textcoords="offset points", color="white", fontsize=10, ha="center",
            bbox={"boxstyle": "round", "facecolor": colour, "edgecolor": "none"},
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 2},
        )  # fmt: skip

    def arrow(start: Any, end: Any) -> None:
        axes.annotate("", pixel(end), pixel(start), arrowprops={"arrowstyle": "->", "linewidth": 2.5})

    gripper, block, goal = seen["observation"][:3], seen["achieved_goal"], seen["desired_goal"]
    ring = [pixel(goal + threshold * np.array([np.cos(a), np.sin(a), 0])) for a in np.linspace(0, 2 * np.pi, 80)]
    axes.plot(*np.transpose(ring), color=COLOURS[1], linewidth=2)
    label("grip_pos: observation[0:3]", gripper, (-165, 75), COLOURS[0])
    label("object_pos: observation[3:6] and achieved_goal", block, (-10, -85), COLOURS[2])
    label(f"desired_goal, {100 * threshold:g} cm around it", goal, (70, 80), COLOURS[1])
    arrow(gripper, block)
    corner = np.array([1.12, 0.45, 0.42])
    for name, axis in zip("xyz", 0.1 * np.eye(3), strict=True):
        arrow(corner, corner + axis)
        axes.text(*pixel(corner + 1.25 * axis), name, fontsize=12, ha="center", va="center")
    return figure


def tasks(size: int) -> Figure:
    """The four tasks after a reset, and where each is solved."""
    from matplotlib.figure import Figure

    from envs.camera import CAMERAS, with_goal
    from envs.make import make_env

    figure = Figure(figsize=(4 * size / 100, size / 100 + 0.3), layout="constrained")
    for axes, (task, camera) in zip(figure.subplots(1, 4), CAMERAS.items(), strict=True):
        env_id = f"Fetch{task}-v4"
        env = make_env(env_id, render_mode="rgb_array", width=size, height=size, default_camera_config=camera)
        env.reset(seed=2)
        axes.imshow(with_goal(env.render(), env))
        axes.set_title(env_id)
        axes.set_axis_off()
        env.close()
    return figure


def response(data: dict[str, Any]) -> Figure:
    """How far the gripper moves in each step while a unit action is held and after it, and what the fingers do."""
    from analysis.plots import COLOURS, GREY

    figure, (left, right) = panels(2, 10)
    moved, opening, steps = data["moved_cm"], data["opening_cm"], range(1, len(data["moved_cm"]) + 1)
    left.step(steps, [5] * 10 + [0] * 5, where="mid", color=COLOURS[1], linestyle="--", label="asked for")
    left.bar(steps, moved, color=COLOURS[0], label="moved")
    left.plot(steps, data["velocity_cm"], color="black", marker="o", markersize=3, label="velocity entry")
    left.set(xlabel="step", ylabel="gripper, in one step (cm)", title="Reach: ten unit actions, then five of zero")
    left.legend(frameon=False)
    right.plot(range(len(opening)), opening, color=COLOURS[0], marker="o", markersize=3)
    right.axvspan(10, 20, color=GREY, alpha=0.12, linewidth=0)
    for start, text in ((0, "+1"), (10, "0"), (20, "−1")):
        right.text(start + 5, 11.4, f"action {text}", ha="center")
    right.set(ylim=(-0.8, 12.2), xlabel="step", ylabel="opening (cm)", title="PickAndPlace: the fourth action")
    return figure


def starts(data: dict[str, Any]) -> Figure:
    """Histogram of the distance from block to goal at reset of Push."""
    from analysis.plots import SOLVED, UNSOLVED

    figure, (axes,) = panels(1, 8)
    sides = [[d for d in data["push_start_cm"] if (d < 5) == solved] for solved in (True, False)]
    axes.hist(sides, bins=range(43), stacked=True, color=[SOLVED, UNSOLVED], label=["solved", "not solved"])
    axes.axvline(5, color="black", linestyle="--", label="threshold, 5 cm")
    axes.set(xlabel="distance from block to goal (cm)", ylabel="episodes")
    axes.set_title(f"Push at reset: {format_rate(Rate.model_validate(data['FetchPush-v4']))} begin solved")
    axes.legend(frameon=False)
    return figure


def draw(anatomy: str = "results/ch01_lab.json", out_dir: str = "runs/ch01", smoke: bool = False) -> None:
    """Draw the figures of chapter 01; where nothing renders, the frames are left out.

    Args:
        anatomy: Report of scripts/labs/env_anatomy.py --verify.
        out_dir: Folder for the figures.
        smoke: A small frame.
    """
    from analysis.plots import save_figure
    from envs.rendering import choose_backend

    data = load(anatomy, DataReport).data
    folder = Path(out_dir)
    figures = {"ch01_action_response": response(data), "ch01_start_distances": starts(data)}
    if choose_backend()[0]:
        figures["ch01_push_frame"] = push_frame(*((320, 240) if smoke else (800, 560)))
        figures["ch01_tasks"] = tasks(100 if smoke else 300)
    else:
        print("no frames of the tasks: this machine renders with neither EGL nor OSMesa", file=sys.stderr)
    for name, figure in figures.items():
        save_figure(figure, path := folder / f"{name}.png")
        print(path)


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(draw, None, prog="ch01_figures.py")))
