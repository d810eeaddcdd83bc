"""What parallel environments and updates per step buy: rows of finished runs, a table, and one figure.

Three speeds are easily taken for one another: environment steps per second, updates per second, and the one that
matters, the time until the policy works. More environments raise the first and change nothing else; more updates per
step lower it, and need fewer steps.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from analysis.compare import markdown_table
from analysis.plots import COLOURS, MARKERS, new_figure
from analysis.reports import TrainMeta
from analysis.runs import middle, progress
from common.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def rounds(n_envs: int, updates_per_step: float) -> int:
    """Updates after each step of all environments. Raises `UserError` unless that is a whole number above 0."""
    product = n_envs * updates_per_step
    if not (math.isfinite(product) and product >= 1 and product == int(product)):
        raise UserError(
            f"--n-envs {n_envs} with --updates {updates_per_step:g} is {product:g} updates a round; "
            "their product must be a whole number above 0."
        )
    return int(product)


def row(meta: TrainMeta, n_envs: int, updates_per_step: float) -> dict[str, Any]:
    """One run: its place in the sweep, its steps and updates a second, and when it crossed 95% (steps, minutes)."""
    speeds = {"steps_per_second": meta.steps_per_second, "updates_per_second": meta.updates_per_second}
    return {"n_envs": n_envs, "updates_per_step": updates_per_step} | speeds | progress(meta)


def points(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row a point of the sweep over its seeds: the fastest run's speeds, and median steps and minutes to 95%.

    The fastest, since other work on the machine can only slow a run down. A seed that never crossed counts as later
    than all others.
    """
    found = []
    for place in dict.fromkeys((row["n_envs"], row["updates_per_step"]) for row in rows):
        own = [row for row in rows if (row["n_envs"], row["updates_per_step"]) == place]
        steps, minutes = middle([row["steps_to_95"] for row in own]), middle([row["minutes_to_95"] for row in own])
        found.append({
            "n_envs": place[0], "updates_per_step": place[1], "seeds": len(own),
            "steps_per_second": max(row["steps_per_second"] for row in own),
            "updates_per_second": max(row["updates_per_second"] or 0.0 for row in own), "steps_to_95": steps,
            "crossed": sum(row["steps_to_95"] is not None for row in own),
            "seconds_to_95": None if minutes is None else 60 * minutes,
        })  # fmt: skip
    return found


def table(rows: list[dict[str, Any]]) -> str:
    """The points as a Markdown table."""
    header = ["environments", "updates a step", "seeds", "steps/s", "updates/s", "steps to 95%", "seconds to 95%"]
    cells = [
        [p["n_envs"], f"{p['updates_per_step']:g}", p["seeds"], f"{p['steps_per_second']:,.0f}",
         f"{p['updates_per_second']:,.0f}", "not reached" if p["steps_to_95"] is None else f"{p['steps_to_95']:,.0f}",
         "" if p["seconds_to_95"] is None else f"{p['seconds_to_95']:.1f}"]
        for p in points(rows)
    ]  # fmt: skip
    return markdown_table(header, cells)


def sweep_figure(rows: list[dict[str, Any]]) -> Figure:
    """Steps/s, updates/s, steps to 95% and seconds to 95% over the number of environments, a line a replay ratio."""
    figure, panels = new_figure(13.5, 3.9, panels=4)
    found = points(rows)
    names = {
        "steps_per_second": "environment steps per second", "updates_per_second": "updates per second",
        "steps_to_95": "environment steps to 95%", "seconds_to_95": "seconds of training to 95%",
    }  # fmt: skip
    sizes = sorted({p["n_envs"] for p in found})
    for axes, (key, title) in zip(panels, names.items(), strict=True):
        for i, ratio in enumerate(sorted({p["updates_per_step"] for p in found})):
            own = [p for p in found if p["updates_per_step"] == ratio and p[key] is not None]
            label = f"{ratio:g} updates a step" if axes is panels[0] else None
            axes.plot(
                [sizes.index(p["n_envs"]) for p in own], [p[key] for p in own], color=COLOURS[i % len(COLOURS)],
                marker=MARKERS[i % len(MARKERS)], label=label,
            )  # fmt: skip
        axes.set_xticks(range(len(sizes)), [str(n) for n in sizes])
        axes.set_ylim(bottom=0)
        axes.set_xlabel("parallel environments")
        axes.set_title(title, fontsize=10)
    seeds = max(p["seeds"] for p in found)
    many = f"Speeds: fastest of {seeds} seeds; 95%: their median" if seeds > 1 else "One seed a point"
    figure.suptitle(f"{many}; missing: not above 95% twice in a row", fontsize=10)
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    return figure
