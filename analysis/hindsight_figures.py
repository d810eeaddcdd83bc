"""Figures of hindsight: one relabelled episode, with and without, and what a sweep's variants reached."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.plots import COLOURS, FETCH_THRESHOLD, GREY, MARKERS, STYLES, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WITH, WITHOUT = COLOURS[0], COLOURS[1]


def relabelled_episode_figure(
    seed: int, t: int, gripper: np.ndarray, achieved: np.ndarray, goals: np.ndarray, rewards: np.ndarray
) -> Figure:
    """One episode of T steps seen from above, and its rewards under the goal asked for and under goals of its own.

    `gripper`, `achieved` (T, 2): after each step, x and y in m. `goals` (1 + k, 2): the one asked for, then the k that
    were drawn for the transition at step `t`. `rewards` (1 + k, T): every step's reward, 0 or -1, under each of them.
    """
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Circle

    figure, (left, right) = new_figure(11, 4.6, panels=2, width_ratios=[1, 1.25])
    left.plot(gripper[:, 1], gripper[:, 0], color=GREY, linewidth=1, alpha=0.7, label="gripper")
    left.plot(achieved[:, 1], achieved[:, 0], color="black", linewidth=2.5, label="block: the achieved goals")
    left.plot(*achieved[t, ::-1], marker="o", color="black", markersize=8, linestyle="", label=f"after step t = {t}")
    for i, goal in enumerate(goals):
        colour = WITHOUT if i == 0 else WITH
        label = ("goal g that was asked for", "goals g' that were drawn, with their 5 cm")[i] if i < 2 else None
        left.plot(*goal[::-1], marker="*" if i == 0 else "X", color=colour, markersize=11, linestyle="", label=label)
        if i:
            left.annotate(str(i), goal[::-1], (4 + 7 * i, -12), textcoords="offset points", color=colour, fontsize=9)
        left.add_patch(Circle(tuple(goal[::-1]), FETCH_THRESHOLD, color=colour, alpha=0.15, linewidth=0))
    left.set_aspect("equal", adjustable="datalim")
    left.set_xlabel("y (m)")
    left.set_ylabel("x (m), away from the robot")
    left.set_title(f"A random episode of Push, seed {seed}", loc="left", fontsize=10)
    left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, frameon=False, fontsize=8)
    right.imshow(rewards, aspect="auto", cmap=ListedColormap(["#e6e6e6", WITH]), vmin=-1, vmax=0, interpolation="none",
                 extent=(-0.5, rewards.shape[1] - 0.5, len(goals) - 0.5, -0.5))  # fmt: skip
    for row in range(1, len(goals)):
        right.axhline(row - 0.5, color="white", linewidth=3)
    right.axvline(t, color="black", linewidth=1.2)
    right.text(t, -0.62, f"t = {t}", ha="center", va="bottom", fontsize=9)
    right.set_yticks(range(len(goals)), ["asked for", *[f"relabelled {i}" for i in range(1, len(goals))]])
    right.set_xlabel("step")
    right.grid(False)
    right.set_title("Reward of each step, had the goal of the row been asked for\nblue 0, grey −1", fontsize=10, pad=18)
    return figure


def _spread(values: Sequence[float], row: float) -> list[float]:
    """Heights about `row` at which points side by side can be told apart."""
    return [row + 0.09 * (i - (len(values) - 1) / 2) for i in range(len(values))]


def curves_figure(panels: dict[str, dict[str, list[list[dict[str, Any]]]]], net: bool = True) -> Figure:
    """A panel a task: success against environment steps, a colour a method and a line a seed.

    `panels`: task, then method (without hindsight, then with it), then its seeds' evaluations as a sweep's report holds
    them. `net` leaves out the episodes that begin solved.
    """
    from matplotlib.ticker import EngFormatter

    figure, all_axes = new_figure(5.4 * len(panels), 4.2, panels=len(panels), sharey=True)
    counts: set[int] = set()
    for axes, (task, methods) in zip(all_axes, panels.items(), strict=True):
        for i, (method, seeds) in enumerate(methods.items()):
            for k, evaluations in enumerate(seeds):
                rates = [e["success_net" if net else "success"] for e in evaluations]
                counts |= {rate["n"] for rate in rates}
                axes.plot(
                    [e["steps"] for e in evaluations], [100 * rate["rate"] for rate in rates], marker=MARKERS[i],
                    color=(WITHOUT, WITH)[i], linestyle=STYLES[k % len(STYLES)], markersize=3.5, linewidth=1.6,
                    label=f"{method} ({len(seeds)} seeds)" if k == 0 else None,
                )  # fmt: skip
        axes.set_title(task, loc="left", fontsize=10)
        axes.set_xlabel("environment steps")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.set_ylim(-3, 103)
        axes.set_xlim(left=0)
        axes.legend(frameon=False, loc="upper left" if axes is all_axes[-1] else "center right", fontsize=9)
    what = "success (%)" + (", not counting solved at reset" if net else "")
    all_axes[0].set_ylabel(what)
    n = f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    figure.suptitle(f"n = {n} held-out episodes a point, every training seed", fontsize=10)
    return figure


def dots_figure(panels: dict[str, dict[str, list[dict[str, Any]]]], reference: str | None = None) -> Figure:
    """A panel a title, a row a variant: each seed's final success with its Wilson interval.

    All panels have the rows of the longest; a variant that is missing in one has no dots there. `reference`: the row to
    compare with.
    """
    names = list(max(panels.values(), key=len))
    figure, all_axes = new_figure(4 + 4 * len(panels), 1.3 + 0.42 * len(names), panels=len(panels), sharey=True)
    for axes, (title, rows) in zip(all_axes, panels.items(), strict=True):
        for row, name in enumerate(names):
            colour = WITHOUT if name == reference else WITH
            rates = rows.get(name, [])
            for k, (rate, y) in enumerate(zip(rates, _spread([r["rate"] for r in rates], row), strict=True)):
                value, low, high = (100 * rate[key] for key in ("rate", "low", "high"))
                axes.errorbar(value, y, xerr=[[value - low], [high - value]], fmt=MARKERS[k], color=colour, capsize=2,
                              markersize=5, linewidth=1.2, label=f"seed {k}" if row == 0 else None)  # fmt: skip
        axes.set_xlim(-2, 102)
        axes.set_xlabel("success (%)")
        axes.set_title(f"{title}; n = {next(iter(rows.values()))[0]['n']} a point", loc="left", fontsize=10)
    all_axes[0].set_yticks(range(len(names)), names)
    all_axes[0].invert_yaxis()
    seeds = all_axes[0].get_legend_handles_labels()
    figure.legend(*seeds, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def bits_figure(rows: Sequence[dict[str, Any]], episodes: int) -> Figure:
    """Success against the number of bits, with hindsight and without, every seed a point."""
    figure, (axes,) = new_figure(6.4, 3.8)
    for her, colour, name in ((False, WITHOUT, "DQN"), (True, WITH, "DQN with hindsight")):
        own = [row for row in rows if row["her"] == her]
        sizes = sorted({row["bits"] for row in own})
        means = [float(np.mean([row["success"]["rate"] for row in own if row["bits"] == n])) for n in sizes]
        axes.plot(sizes, [100 * mean for mean in means], color=colour, linewidth=1.8, label=name)
        axes.scatter([row["bits"] for row in own], [100 * row["success"]["rate"] for row in own], color=colour, s=22)
    axes.set_ylim(-3, 103)
    axes.set_xlabel("bits n; there are 2ⁿ states, and an episode has n steps")
    axes.set_ylabel("solved (%)")
    axes.legend(frameon=False)
    axes.set_title(f"{episodes} held-out episodes a point, every training seed; line: mean", loc="left", fontsize=10)
    return figure
