"""Figures of chapter 07: success against the size of a perturbation, with bands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analysis.plots import COLOURS, GREY, MARKERS, STYLES, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

UNITS = {"m": ("mm", 1000.0), "steps": ("steps", 1.0), "action": ("of the action's range", 1.0)}


def draw_curve(axes: Axes, grid: list[float], curve: dict[str, Any], name: str, i: int, scale: float) -> None:
    """The mean over runs with its band (over runs; of one run Wilson's), and every run as a thin line."""
    x = [scale * value for value in grid]
    pooled, colour, several = curve["pooled"]["success"], COLOURS[i % len(COLOURS)], len(curve["runs"]) > 1
    bounds = curve["bands"] if several else pooled
    low, high = ([100 * bound[key] for bound in bounds] for key in ("low", "high"))
    axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    n = f"{len(curve['runs'])} × {pooled[0]['n'] // len(curve['runs'])}" if several else f"{pooled[0]['n']}"
    axes.plot(x, [100 * point["rate"] for point in pooled], color=colour, marker=MARKERS[i % len(MARKERS)],
              markersize=4.5, linewidth=2, label=f"{name} (n = {n})")  # fmt: skip
    for k, run in enumerate(curve["runs"] if several else []):
        axes.plot(x, [100 * point["rate"] for point in run["rates"]["success"]], color=colour, linewidth=0.8,
                  alpha=0.7, linestyle=STYLES[(k + 1) % len(STYLES)])  # fmt: skip


def curves_figure(panels: dict[str, dict[str, Any]], title: str) -> Figure:
    """A panel a perturbation: `panels` has for each title a `grid`, a `unit` and `curves` by name."""
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    # Too many names to stand among the curves stand beside them.
    crowded = any(len(panel["curves"]) > 3 for panel in panels.values())
    figure, first = new_figure((6.4 if crowded else 4.1) * columns, 3.5 * rows, panels=1)
    first[0].remove()
    all_axes = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    for axes in all_axes[len(panels) :]:
        axes.remove()
    for axes, (name, panel) in zip(all_axes, panels.items(), strict=False):
        unit, scale = UNITS[panel["unit"]]
        for i, (label, curve) in enumerate(panel["curves"].items()):
            draw_curve(axes, panel["grid"], curve, label, i, scale)
        axes.axhline(50, color=GREY, linewidth=0.8, linestyle=":")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3, linewidth=0.6)
        axes.set_ylim(-3, 103)
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xlabel(f"size ({unit})")
        axes.legend(
            frameon=False, fontsize=8, **({"loc": "center left", "bbox_to_anchor": (1.02, 0.5)} if crowded else {})
        )
    for axes in all_axes[::columns]:
        axes.set_ylabel("success at the last step (%)")
    figure.suptitle(title, fontsize=10)
    return figure
