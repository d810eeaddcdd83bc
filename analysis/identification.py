"""Can these parameters be found at all? Fisher information of a log, and what errors of parameters it allows.

With white noise on the measurements, the residuals r (in standard deviations) have the Jacobian J = ∂r/∂θ, and no
unbiased estimate has a smaller covariance than F⁻¹ with F = Jᵀ J (Cramér and Rao). Parameters are logarithms of
ratios, so that a standard deviation of 0.1 is an error of about 10%.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# An error of more than 10% is no identification.
IDENTIFIABLE_STD = 0.1
# Derivatives (standard deviations of the sensor) and information (of 1) below which there is none.
NOTHING, SAME = 1e-9, 1e-10


def identifiability(jacobian: np.ndarray, names: Sequence[str]) -> dict[str, Any]:
    """What a log can tell, from its `jacobian` (R, P), R residuals by P parameters, at some point.

    `sensitivity`: how many standard deviations of the sensor a measurement moves, root mean square, for 1% more of a
    parameter. `std`: the smallest standard deviation of its logarithm, None where the log does not depend on it.
    """
    # F = Jᵀ J, and the same with columns of length 1, so that no parameter is too small to be seen beside another
    fisher = jacobian.T @ jacobian
    norms = np.sqrt(np.diag(fisher))
    seen = norms > NOTHING
    std = np.full(len(names), math.inf)
    covariance = np.zeros_like(fisher)
    condition = None
    if seen.any():
        part, scale = np.ix_(seen, seen), norms[seen]
        values, vectors = np.linalg.eigh(fisher[part] / np.outer(scale, scale))
        # Of parameters that do the same, only their sum is known: a direction without information.
        known = values > SAME
        inverse = (vectors[:, known] / values[known]) @ vectors[:, known].T
        covariance[part] = inverse / np.outer(scale, scale)
        lost = (vectors[:, ~known] ** 2).sum(axis=1) > SAME
        std[seen] = np.where(lost, math.inf, np.sqrt(np.diag(inverse)) / scale)
        condition = float(np.linalg.cond(fisher[part]))
    scale = np.sqrt(np.diag(covariance))
    scale[scale == 0] = 1.0
    correlation = covariance / np.outer(scale, scale)
    rms = np.sqrt(np.mean(jacobian**2, axis=0))
    return {
        "parameters": {
            name: {
                "sensitivity": 0.01 * float(rms[i]),
                "std": float(std[i]) if math.isfinite(std[i]) else None,
                "identifiable": bool(std[i] <= IDENTIFIABLE_STD),
            }
            for i, name in enumerate(names)
        },
        "correlation": {f"{a} and {b}": float(correlation[i, j])
                        for i, a in enumerate(names) for j, b in enumerate(names) if i < j},
        "condition": condition,
    }  # fmt: skip


def parameter_error(found: Mapping[str, float], true: Mapping[str, float]) -> float:
    """Root mean square of ln(found / true) over the parameters of `found`: 0.1 is about 10%."""
    # e = √ mean (ln θ̂ − ln θ)²
    return float(np.sqrt(np.mean([math.log(found[name] / true[name]) ** 2 for name in found])))


def table_text(data: Mapping[str, Any]) -> str:
    """The parameters of an identification on a terminal: true, found, interval, and whether it could be found."""
    lines = [f"  {'':10s}{'true':>8s}{'found':>8s}  95% interval     identifiable (smallest error)"]
    for name, row in data["parameters"].items():
        std = "no" if row["std"] is None else f"{'yes' if row['identifiable'] else 'no'} ({100 * row['std']:.2g}%)"
        interval = f"{row['low']:.3f} to {row['high']:.3f}"
        lines.append(f"  {name:10s}{row['true']:8.3f}{row['found']:8.3f}  {interval:17s}{std}")
    lines.append(f"  {'delay':10s}{data['delay']['true']:8.0f}{data['delay']['found']:8.0f}  steps")
    return "\n".join(lines)


def sysid_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Error of the parameters, and of predictions of trajectories that were not fitted, over the number of logs."""
    from analysis.plots import COLOURS, new_figure

    figure, (left, right) = new_figure(9.0, 3.8, panels=2)
    counts = [row["logs"] for row in rows]
    for colour, name in zip(COLOURS, rows[0]["parameters"], strict=False):
        off = [abs(row["parameters"][name]["found"] / row["parameters"][name]["true"] - 1) for row in rows]
        left.plot(counts, [max(100 * value, 1e-2) for value in off], "o-", color=colour, label=name)
    left.set(ylabel="error of the parameter (%)", xscale="log", yscale="log")
    for colour, (key, label) in zip(COLOURS, {"gripper": "gripper", "object": "block"}.items(), strict=False):
        identified = [1000 * row["validation"][key]["identified"] for row in rows]
        right.plot(counts, identified, "o-", color=colour, label=f"{label}, identified")
        nominal = 1000 * rows[0]["validation"][key]["nominal"]
        right.axhline(nominal, color=colour, linestyle="--", label=f"{label}, nominal")
    right.set(ylabel="error of predictions (mm)", xscale="log", yscale="log")
    for axes in (left, right):
        axes.set_xlabel("logged trajectories of each kind")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        # Above the panel: lines may be anywhere in it.
        axes.legend(fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    return figure


def version_figure(data: Mapping[str, Any]) -> Figure:
    """What each model leaves unexplained on logs that were not fitted, over the number of logs that were."""
    from analysis.plots import COLOURS, new_figure

    figure, (axes,) = new_figure(6.0, 3.8)
    models = list(dict.fromkeys(row["model"] for row in data["rows"]))
    for colour, model in zip(COLOURS, models, strict=False):
        rows = [row for row in data["rows"] if row["model"] == model]
        axes.plot([row["logs"] for row in rows], [1000 * row["validation"] for row in rows], "o-", color=colour,
                  label=model)  # fmt: skip
    axes.axhline(1000 * data["nominal"], color="grey", linestyle="--", label="nothing fitted")
    axes.axhline(1000 * data["noise"], color="grey", linestyle=":", label="noise of the encoders")
    counts = sorted({row["logs"] for row in data["rows"]})
    axes.set(xlabel="logged trajectories", ylabel="error of predictions (mm)", xscale="log", yscale="log")
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    figure.legend(fontsize=8, loc="outside right upper", frameon=False)
    return figure
