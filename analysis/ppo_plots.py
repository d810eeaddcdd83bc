"""Figures of PPO: the dashboard of what an update logs, and the clipped surrogate.

    python -m analysis.ppo_plots RUN.metrics.jsonl [MORE.metrics.jsonl …] --out dashboard.png

A dashed line in a panel is the threshold of a rule of `analysis/early_warning.py`; a cross is where a rule that watches
this panel first spoke.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from analysis import early_warning as ew
from analysis.logs import labels
from analysis.plots import COLOURS, GREY, new_figure, save_figure
from common.errors import UserError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Panel: what is shown, its key, its axis (log, or the limits of a linear one), and the rules that look at it.
PANELS = (
    ("value loss", ew.LOSS, "log", ("value_explosion",)),
    ("explained variance", ew.EXPLAINED, (-1.05, 1.05), ()),
    ("noise: mean σ of actions", ew.STD, "log", ("entropy_collapse", "entropy_explosion")),
    ("approximate KL", ew.KL, "log", ("kl_drift",)),
    ("clip fraction", ew.CLIPPED, (-0.02, 1.02), ()),
    ("|policy loss|", ew.POLICY_LOSS, "log", ("advantages_off_centre",)),
    ("gradient norm before clipping", ew.NORM, "log", ()),
    ("zeros in the gradient, worst layer", ew.DEAD, (-0.02, 1.02), ("dead_gradients",)),
    ("return of training episodes", ew.RETURN, "linear", ("return_without_success",)),
    ("success of training episodes", ew.SUCCESS, (-0.02, 1.02), ("success_flatline",)),
)
LIMITS = ew.Limits()
LINES = {ew.STD: (LIMITS.std_low, LIMITS.std_high), ew.KL: (LIMITS.kl,), ew.DEAD: (LIMITS.dead,)}
# What the logarithmic axes show: an exploded run may be ten decades away.
RANGES = {ew.LOSS: (1e-3, 1e3), ew.STD: (1e-2, 1e2), ew.KL: (1e-3, 1e2), ew.POLICY_LOSS: (1e-3, 1e1),
          ew.NORM: (1e-1, 1e3)}  # fmt: skip


def runs_in(folder: Path) -> dict[str, list[list[ew.Row]]]:
    """The rows of every `<name>_seed<k>.metrics.jsonl` in a folder, by name."""
    runs: dict[str, list[list[ew.Row]]] = {}
    for log in sorted(folder.glob("*_seed*.metrics.jsonl")):
        try:
            runs.setdefault(log.name.rpartition("_seed")[0], []).append(ew.rows_of(str(log)))
        except UserError:
            # Ended by a NaN in its first update: there is nothing to see.
            continue
    return runs


def ranges(runs: list[list[ew.Row]]) -> dict[str, dict[str, float]]:
    """Of each panel, what the seeds of one setting showed: lowest, highest, and the first seed's first and last."""
    found = {}
    for _, key, *_ in PANELS:
        seen = [[_shown(row, key) for row in rows if key in row] for rows in runs]
        if all(seen):
            low, high = min(map(min, seen)), max(map(max, seen))
            found[key] = {"low": low, "high": high, "first": seen[0][0], "last": seen[0][-1]}
    return found


def _shown(row: ew.Row, key: str) -> float:
    """A number as its panel has it: of the policy's loss, the size."""
    return abs(row[key]) if key == ew.POLICY_LOSS else row[key]


def dashboard_figure(runs: dict[str, list[list[ew.Row]]], title: str = "") -> Figure:
    """Ten panels over environment steps; `runs` holds the rows of each seed by a name that shares a colour.

    A run called `healthy` is drawn in grey, wide, behind the others. Numbers outside of a panel stop at its edge.
    """
    from matplotlib.lines import Line2D
    from matplotlib.ticker import EngFormatter

    figure, axes = _grid()
    names = [name for name in runs if name != "healthy"]
    colours = dict(zip(names, COLOURS * 3, strict=False)) | {"healthy": GREY}
    for (text, key, scale, rules), panel in zip(PANELS, axes, strict=True):
        panel.set_title(text, fontsize=10)
        if scale == "log":
            panel.set_yscale("log")
        low, high = RANGES.get(key, scale if isinstance(scale, tuple) else (-np.inf, np.inf))
        for name in sorted(runs, key=lambda name: name != "healthy"):
            for rows in runs[name]:
                _line(panel, rows, key, rules, colours[name], name == "healthy", (low, high))
        if np.isfinite([low, high]).all():
            panel.set_ylim(low, high)
        for threshold in LINES.get(key, ()):
            panel.axhline(threshold, color="black", linestyle="--", linewidth=0.9)
        panel.xaxis.set_major_formatter(EngFormatter(sep=""))
        panel.set_xlim(left=0)
    for panel in axes[-3:]:
        panel.set_xlabel("environment steps")
    handles = [Line2D([], [], color=colours[name], linewidth=4 if name == "healthy" else 1.6) for name in runs]
    handles += [Line2D([], [], color="black", linestyle="--"), Line2D([], [], color="black", marker="X", linestyle="")]
    figure.legend(handles, [*(name.replace("_", " ") for name in runs), "threshold", "first warning"],
                  loc="lower right", bbox_to_anchor=(0.97, 0.04), ncols=2, frameon=False)  # fmt: skip
    if title:
        figure.suptitle(title)
    return figure


def _grid() -> tuple[Figure, list[Axes]]:
    """Ten panels, three in a row; two places are left over."""
    figure, axes = new_figure(10.5, 10.5, panels=len(PANELS))
    for axis, place in zip(axes, figure.add_gridspec(4, 3), strict=False):
        axis.set_subplotspec(place)
    return figure, axes


def _line(
    panel: Axes, rows: list[ew.Row], key: str, rules: tuple[str, ...], colour: str, wide: bool,
    edges: tuple[float, float],
) -> None:  # fmt: skip
    """One run in one panel, with a cross at each first warning of `rules`."""
    known = [row for row in rows if key in row]
    shown = lambda row: float(np.clip(_shown(row, key), *edges))  # noqa: E731
    panel.plot([row["steps"] for row in known], [shown(row) for row in known], color=colour,
               linewidth=4 if wide else 1.4, alpha=0.45 if wide else 0.9)  # fmt: skip
    for finding in ew.first_findings(rows) if rules else []:
        at = [row for row in known if row["steps"] == finding.steps]
        if finding.rule in rules and at:
            panel.plot(finding.steps, shown(at[0]), marker="X", color=colour, markersize=8, markeredgecolor="black")


def surrogate_figure(clip: float = 0.2) -> Figure:
    """What one transition adds to the objective over the ratio, for an advantage of 1 and of −1."""
    figure, axes = new_figure(9, 3.4, panels=2)
    ratio = np.linspace(0, 2, 401)
    for panel, advantage in zip(axes, (1.0, -1.0), strict=True):
        plain = ratio * advantage
        # min(ρ A, clip(ρ, 1 − ε, 1 + ε) A)
        clipped = np.minimum(plain, np.clip(ratio, 1 - clip, 1 + clip) * advantage)
        panel.axvspan(1 - clip, 1 + clip, color=GREY, alpha=0.15, linewidth=0)
        panel.plot(ratio, plain, color=COLOURS[1], linestyle="--", label="ρ A, not clipped")
        panel.plot(ratio, clipped, color=COLOURS[0], linewidth=2.4, label="min(ρ A, clip(ρ) A)")
        panel.plot([1], [advantage], "o", color="black", label="where each update begins")
        panel.set_title(f"A {'>' if advantage > 0 else '<'} 0: {'better' if advantage > 0 else 'worse'} than average")
        panel.set_xlabel("ρ = π(a|s) / π_old(a|s)")
        panel.set_xticks([0, 0.5, 1 - clip, 1, 1 + clip, 1.5, 2])
    axes[0].set_ylabel("objective / |A|")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def main(argv: Sequence[str] | None = None) -> int:
    """Draw the dashboard of the logs on the command line."""
    parser = argparse.ArgumentParser(prog="python -m analysis.ppo_plots", description="The dashboard of PPO runs.")
    parser.add_argument("logs", nargs="+", metavar="LOG.jsonl", help="metric logs of PPO runs, <out>.metrics.jsonl")
    parser.add_argument("--out", required=True, metavar="FILE.png", help="where to write the figure")
    arguments = parser.parse_args(argv)
    try:
        named = zip(labels(arguments.logs), arguments.logs, strict=True)
        save_figure(dashboard_figure({name: [ew.rows_of(path)] for name, path in named}), arguments.out)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"figure -> {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
