"""Two matters of degree over the course of training: overestimation with one critic and with two, and the weight of the
entropy, fixed and tuned.

Reads the rows of `analysis.replay_diagnostics.diagnose`, several seeds each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.plots import COLOURS, GREY, STYLES, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

CRITICS = {"healthy": "two critics", "one_critic": "one critic"}
ENTROPY = {"healthy": "fixed at 0.005", "entropy_from_0.005": "tuned from 0.005", "entropy_from_1": "tuned from 1"}


def errors(run: dict[str, Any]) -> list[tuple[int, float]]:
    """(steps, promised minus obtained) at each examination."""
    return [(row["steps"], row["promised"] - row["soft"]) for row in run["trend"]]


def trends_figure(runs: dict[str, list[dict[str, Any]]]) -> Figure:
    """Overestimation (left), and the entropy coefficient with what it led to (right), a line a seed."""
    figure, (left, right) = new_figure(11.0, 4.4, panels=2)
    _lines(left, runs, CRITICS, errors)
    left.axhline(0, color="black", linewidth=1)
    # Before the first updates the critics promise 0, whatever they are; that error would hide all later ones.
    later = [e for name in CRITICS for run in runs[name] for steps, e in errors(run)[1:]]
    if later:
        margin = 0.1 * (max(later) - min(later)) + 1e-3
        left.set_ylim(min(0.0, *later) - margin, max(0.0, *later) + margin)
    left.set_ylabel("promised − obtained return")
    left.set_title("Do the critics overestimate?", fontsize=10)
    _lines(right, runs, ENTROPY, lambda run: [(row["steps"], row["alpha"]) for row in run["trend"]])
    right.set_yscale("log")
    right.set_ylabel("entropy coefficient α (logarithmic)")
    right.set_title("How much does entropy weigh? At the right: solved at the end, all seeds", fontsize=10)
    for name in ENTROPY:
        ends = [run["trend"][-1]["success"] for run in runs[name]]
        for run in runs[name][:1]:
            last = run["trend"][-1]
            text = f"{sum(end['successes'] for end in ends)} of {sum(end['n'] for end in ends)}"
            right.annotate(text, (last["steps"], last["alpha"]), xytext=(5, 0), textcoords="offset points", fontsize=9)
    for axes in (left, right):
        axes.set_xlabel("environment steps")
        axes.legend(frameon=False, fontsize=9)
    return figure


def _lines(axes: Axes, runs: dict[str, list[dict[str, Any]]], names: dict[str, str], values: Any) -> None:
    for i, (name, label) in enumerate(names.items()):
        for k, run in enumerate(runs[name]):
            colour = GREY if (name, label) == ("healthy", ENTROPY["healthy"]) else COLOURS[i]
            seeds = f" ({len(runs[name])} seed{'s' if len(runs[name]) > 1 else ''})"
            axes.plot(*zip(*values(run), strict=True), color=colour, linestyle=STYLES[k % len(STYLES)], marker="o",
                      markersize=3, label=label + seeds if k == 0 else None)  # fmt: skip
