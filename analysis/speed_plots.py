"""Figures of speed: time by part of the loop, and learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analysis.plots import COLOURS, GREY, MARKERS, STYLES, episodes_text, new_figure
from analysis.reports import Evaluation
from common.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def parts_figure(runs: dict[str, dict[str, float]], title: str) -> Figure:
    """One horizontal bar a run, cut into its parts, in seconds."""
    figure, (axes,) = new_figure(8.0, 1.2 + 0.7 * len(runs))
    parts = list(next(iter(runs.values())))
    longest = max(sum(run.values()) for run in runs.values())
    for row, run in enumerate(runs.values()):
        left = 0.0
        for colour, part in zip(COLOURS, parts, strict=False):
            seconds = run[part]
            axes.barh(row, seconds, left=left, color=colour, height=0.6, label=part if row == 0 else None)
            if seconds > 0.06 * longest:
                axes.text(
                    left + seconds / 2, row, f"{seconds:.1f}", ha="center", va="center", color="white", fontsize=9
                )
            left += seconds
        axes.text(left + 0.01 * longest, row, f"{left:.1f} s", va="center", color=GREY)
    axes.set_yticks(range(len(runs)), list(runs))
    axes.invert_yaxis()
    axes.set_xlim(0, 1.12 * longest)
    axes.set_xlabel("seconds")
    axes.set_title(title, loc="left", fontsize=10)
    axes.legend(ncols=len(parts), loc="upper center", bbox_to_anchor=(0.5, -0.3), frameon=False, fontsize=9)
    return figure


def curves_figure(groups: dict[str, list[list[Evaluation]]], title: str) -> Figure:
    """Success against environment steps (left) and time of training (right): a colour a group, a line a seed.

    The time leaves out evaluations, and is in seconds where all of it is less than a minute. Raises
    `UserError` for a group without any evaluation.
    """
    from matplotlib.ticker import EngFormatter

    figure, (left, right) = new_figure(11.0, 4.6, panels=2, sharey=True)
    counts: set[int] = set()
    longest = max((e.wall_clock_s for runs in groups.values() for run in runs for e in run), default=0.0)
    unit, seconds = ("seconds", 1.0) if longest < 60 else ("minutes", 60.0)
    for i, (name, runs) in enumerate(groups.items()):
        if not any(runs):
            raise UserError(f"{name} has no evaluation; nothing to draw.")
        for k, run in enumerate(runs):
            rates = [100 * e.success.rate for e in run]
            counts |= {e.success.n for e in run}
            style = {
                "color": COLOURS[i % len(COLOURS)], "linestyle": STYLES[k % len(STYLES)], "linewidth": 1.6,
                "marker": MARKERS[i % len(MARKERS)], "markersize": 3.5,
            }  # fmt: skip
            ended = max(each[-1].steps for each in runs if each)
            seeds = "1 seed" if len(runs) == 1 else f"{len(runs)} seeds"
            label = f"{name.replace('_', ' ')} ({seeds}, to {ended:,} steps)"
            left.plot([e.steps for e in run], rates, label=label if k == 0 else None, **style)
            right.plot([e.wall_clock_s / seconds for e in run], rates, **style)
    for axes in (left, right):
        axes.axhline(95, color=GREY, linewidth=1, linestyle="--")
        axes.set_ylim(-2, 102)
        axes.set_xlim(left=0)
    left.set_ylabel("success rate (%)")
    left.set_xlabel("environment steps")
    left.xaxis.set_major_formatter(EngFormatter(sep=""))
    right.set_xlabel(f"training time ({unit})")
    figure.suptitle(f"{title}: n = {episodes_text(counts)} a point, every seed; dashed: 95%", fontsize=11)
    figure.legend(loc="outside lower center", ncols=min(2, len(groups)), frameon=False)
    return figure
