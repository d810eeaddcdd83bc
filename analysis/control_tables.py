"""What chapter 06 prints: sweeps, bundles of metrics and paired differences as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.compare import format_rate
from analysis.control import METRICS
from analysis.reports import Rate

# Of the bundle, what a line of a terminal has room for: name, heading, width, format.
SHORT = (("time_to_success", "time", 6, ".1f"), ("steady_state_error", "error mm", 9, ".1f"),
         ("smoothness", "smooth", 7, ".1f"), ("reversals", "revers.", 8, ".1f"), ("path_length", "path m", 7, ".2f"),
         ("energy", "energy", 7, ".1f"), ("touches", "touches", 8, ".1f"))  # fmt: skip
SCALE = {"steady_state_error": 1000.0, "overshoot": 1000.0}


def _cells(row: dict[str, Any]) -> str:
    cells = []
    for name, _, width, form in SHORT:
        mean = row[name]["mean"]
        cells.append(f"{'–' if mean is None else format(SCALE.get(name, 1.0) * mean, form):>{width}}")
    return " ".join(cells)


def _head(first: str, width: int) -> str:
    return f"{first:{width}} {'success':32} " + " ".join(f"{head:>{width}}" for _, head, width, _ in SHORT)


def sweep_text(task: str, name: str, rows: Sequence[dict[str, Any]]) -> str:
    """A line a point: `rows` are summaries with `agent` and `value`."""
    lines = [task, _head(f"  agent     {name}", 20)]
    lines += [f"  {row['agent']:9} {row['value']:<8g} {format_rate(Rate(**row['success'])):32} {_cells(row)}"
              for row in rows]  # fmt: skip
    return "\n".join(lines)


def bundle_text(task: str, rows: dict[str, dict[str, Any]]) -> str:
    """A line an agent."""
    width = max(len(name) for name in rows) + 2
    lines = [task, _head("  agent", width)]
    for name, row in rows.items():
        lines.append(f"  {name:{width - 2}} {format_rate(Rate(**row['success'])):32} {_cells(row)}")
    return "\n".join(lines)


def differences_text(task: str, differences: dict[str, dict[str, Any]]) -> str:
    """A line a metric: policy minus controller on the same episodes."""
    lines = [f"{task}: policy minus scripted, pairs of the same seed, 95% intervals"]
    for name, found in differences.items():
        if "difference" in found:
            points = [100 * found[key] for key in ("difference", "low", "high")]
            lines.append(
                f"  {name:20} {points[0]:+9.1f} points [{points[1]:+.1f}, {points[2]:+.1f}]  both {found['both']}, "
                f"only policy {found['only_a']}, only scripted {found['only_b']}, neither {found['neither']}, "
                f"p = {found['p_value']:.2g}"
            )
        elif found["mean"] is not None:
            unit = METRICS[name][1]
            lines.append(f"  {name:20} {found['mean']:+9.3g} {unit} [{found['low']:+.3g}, {found['high']:+.3g}], "
                         f"{found['n']} pairs")  # fmt: skip
    return "\n".join(lines)
