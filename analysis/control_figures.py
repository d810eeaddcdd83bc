"""Figures of chapter 06: what a change of the action interface does to success, motion and contact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.plots import COLOURS, MARKERS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

AXES = {"scaling": "factor on the action", "filter": "α of the low-pass filter (1: none)",
        "delay": "delay (steps of 40 ms)"}  # fmt: skip
# A mean of fewer has no normal interval, and the few that a bad point still solves are the easy ones.
FEWEST = 30
# Rows of the figure: metric, label, factor.
ROWS = (("success", "success (%)", 100.0), ("time_to_success", "time to success (steps),\nof those ever solved", 1.0),
        ("arm_smoothness", "Σ‖Δu‖² of the arm", 1.0),
        ("steady_state_error", "error at the end (mm)", 1000.0))  # fmt: skip


def _line(axes: Axes, rows: list[dict[str, Any]], metric: str, factor: float, i: int, label: str) -> None:
    """One agent's curve with its 95% band, without the points where fewer than `FEWEST` episodes have the metric."""
    points = []
    for row in rows:
        found = row[metric]
        middle = found["rate"] if "rate" in found else found["mean"]
        if middle is not None and found["n"] >= min(FEWEST, row["success"]["n"]):
            points.append((row["value"], *(factor * v if v is not None else factor * middle
                                           for v in (middle, found["low"], found["high"]))))  # fmt: skip
    if points:
        x, y, low, high = zip(*sorted(points), strict=True)
        axes.fill_between(x, low, high, color=COLOURS[i], alpha=0.18, linewidth=0)
        axes.plot(x, y, color=COLOURS[i], marker=MARKERS[i], markersize=4, linewidth=1.6, label=label)


def sweep_figure(name: str, neutral: float, data: dict[str, list[dict[str, Any]]]) -> Figure:
    """A column a task, a row a metric; policy and controller, bands are 95% intervals, dashed: unchanged interface."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6 * len(data) + 0.6, 2.0 * len(ROWS) + 0.8), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(ROWS), len(data), squeeze=False, sharex="col")
    for column, (task, rows) in enumerate(data.items()):
        for line, (metric, label, factor) in enumerate(ROWS):
            axes = grid[line][column]
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(alpha=0.3, linewidth=0.6)
            axes.axvline(neutral, color="black", linestyle="--", linewidth=0.8)
            for i, agent in enumerate(dict.fromkeys(row["agent"] for row in rows)):
                _line(axes, [row for row in rows if row["agent"] == agent], metric, factor, i, agent)
            axes.set_ylim((-3, 103) if metric == "success" else (0, None))
            if column == 0:
                axes.set_ylabel(label)
            if line == 0:
                n = rows[0]["success"]["n"]
                axes.set_title(f"{task}, n = {n} a point", fontsize=10)
        grid[-1][column].set_xlabel(AXES.get(name, name))
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    return figure
