"""Success against the size of a perturbation: curves, and figures of merit that say where a policy breaks.

A curve is measured at the points σ₀ < σ₁ < … of a grid, the same for all that are compared, over the same held-out
episodes. Per training run it is a table of outcomes, (points, episodes) of 0 and 1. A point's rate has a Wilson
interval; the figures of merit have bootstrap intervals over training runs and episodes (`resampled`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from analysis.metrics import Trace, rate
from analysis.stats import across_seeds
from common.errors import UserError

# A policy is called broken where it solves fewer than this share of episodes.
CRITICAL_RATE = 0.5
# Steps at the end of an episode through which success must last to count as held.
HELD_STEPS = 10
RESAMPLES = 2000
METRICS = ("success", "held", "any")


def outcome(trace: Trace) -> dict[str, bool]:
    """Three answers to "did it succeed": at the last step, during all of the last 10, and at any step."""
    return {
        "success": bool(trace.successes[-1]),
        "held": bool(trace.successes[-HELD_STEPS:].all()),
        "any": bool(trace.successes.any()),
    }


def read_grid(text: str, flag: str, whole: bool = False) -> list[float]:
    """`0,0.01,0.05` as numbers: at least two, not negative, rising. Raises `UserError` naming `flag`."""
    try:
        grid = [float(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"{flag} {text!r}: expected numbers between commas, such as 0,0.01,0.02.") from None
    if len(grid) < 2:
        raise UserError(f"{flag} {text!r}: a curve needs at least two points.")
    if not all(0 <= value < math.inf for value in grid):
        raise UserError(f"{flag} {text!r}: every value must be finite and not negative.")
    if any(after <= before for before, after in zip(grid, grid[1:], strict=False)):
        raise UserError(f"{flag} {text!r}: values must rise.")
    if whole and any(value != int(value) for value in grid):
        raise UserError(f"{flag} {text!r}: a number of steps is a whole number.")
    return grid


# Figures of merit of rates (K,) at the points of a grid (K,)


def normalised_area(grid: Sequence[float], rates: np.ndarray) -> float:
    """Mean of success (K,) over the grid's range, in [0, 1]: A = ∫ p(σ) dσ / (σ_K − σ_0), by the trapezium rule.

    It depends on the range: two areas compare only over the same grid.
    """
    return float(np.trapezoid(rates, grid) / (grid[-1] - grid[0]))


def critical_sigma(grid: Sequence[float], rates: np.ndarray, level: float = CRITICAL_RATE) -> float | None:
    """The σ at which `rates` (K,) first fall below `level`, linear between points; None where they never do."""
    below = np.flatnonzero(np.asarray(rates) < level)
    if len(below) == 0:
        return None
    k = int(below[0])
    if k == 0:
        return float(grid[0])
    # p is linear between the points: σ* = σ₋ + (σ₊ − σ₋) (p₋ − level) / (p₋ − p₊)
    share = (rates[k - 1] - level) / (rates[k - 1] - rates[k])
    return float(grid[k - 1] + share * (grid[k] - grid[k - 1]))


def steepest_fall(grid: Sequence[float], rates: np.ndarray) -> float:
    """The largest loss in `rates` (K,) per unit of σ between two neighbouring points; 0 where they never fall."""
    return float(max(0.0, np.max(-np.diff(rates) / np.diff(grid))))


def resampled(tables: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Outcomes (R, K, N) of a bootstrap sample: training runs with replacement, then episodes, the same at every point.

    An episode keeps its outcomes at all K points, which are of the same goal and start. With one run only episodes are
    drawn, and the interval is that of this run. With three runs that differ it is too narrow: it holds the truth in
    nearly nine of ten cases instead of 95%.
    """
    runs, _, episodes = tables.shape
    chosen = generator.integers(0, runs, runs)
    return np.stack([tables[run][:, generator.integers(0, episodes, episodes)] for run in chosen])


def merits(grid: Sequence[float], tables: np.ndarray, resamples: int = RESAMPLES) -> dict[str, Any]:
    """Area, critical σ and steepest fall of the mean curve of outcomes (R, K, N), with 95% bootstrap intervals.

    A critical σ beyond the grid is reported as the grid's end with `beyond: true`: that much at least.
    """
    generator = np.random.default_rng(0)
    samples = [resampled(tables, generator).mean(axis=(0, 2)) for _ in range(resamples)]
    curve = tables.mean(axis=(0, 2))
    functions: dict[str, Callable[[np.ndarray], float | None]] = {
        "area": lambda rates: normalised_area(grid, rates),
        "critical": lambda rates: critical_sigma(grid, rates),
        "steepest": lambda rates: steepest_fall(grid, rates),
    }
    found = {}
    for name, function in functions.items():
        values = [grid[-1] if value is None else value for value in map(function, samples)]
        value = function(curve)
        low, high = np.quantile(values, [0.025, 0.975])
        found[name] = {"value": grid[-1] if value is None else value, "low": float(low), "high": float(high)}
        if name == "critical":
            found[name]["beyond"] = value is None
    return found


def probability_of_improvement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """P(X > Y) + ½ P(X = Y) for a run X of ours and a run Y of theirs, averaged over tasks; here a task is a σ.

    `ours` (R, K) and `theirs` (Q, K): success of each run at each point. Source: Agarwal et al. 2021, "Deep
    Reinforcement Learning at the Edge of the Statistical Precipice" (arXiv:2108.13264), section 4.3, and its `rliable`.
    """
    # S(x, y) = 1 where x > y, ½ where they are equal, else 0;  P = mean over runs and points
    difference = ours[:, None, :] - theirs[None, :, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def compared(grid: Sequence[float], ours: np.ndarray, theirs: np.ndarray, resamples: int = RESAMPLES) -> dict[str, Any]:
    """What `ours` (R, K, N) gains over `theirs` (Q, K, N), of the same episodes: each difference with its interval.

    `clean` is the difference at the grid's first point, `best` that at the point where it is largest, found on the
    whole data and kept in the resamples; its interval is therefore somewhat too good.
    """
    generator = np.random.default_rng(0)
    curves = ours.mean(axis=(0, 2)), theirs.mean(axis=(0, 2))
    best = int(np.argmax(curves[0] - curves[1]))

    def differences(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
        (p, q) = a.mean(axis=(0, 2)), b.mean(axis=(0, 2))
        return {
            "area": normalised_area(grid, p) - normalised_area(grid, q),
            "clean": float(p[0] - q[0]),
            "best": float(p[best] - q[best]),
            "improvement": probability_of_improvement(a.mean(axis=2), b.mean(axis=2)),
        }

    samples = [differences(resampled(ours, generator), resampled(theirs, generator)) for _ in range(resamples)]
    found: dict[str, Any] = {"best_sigma": grid[best]}
    for name, value in differences(ours, theirs).items():
        low, high = np.quantile([sample[name] for sample in samples], [0.025, 0.975])
        found[name] = {"value": value, "low": float(low), "high": float(high)}
    return found


# Curves as a report holds them


def table_of(run: dict[str, Any], metric: str = "success") -> np.ndarray:
    """Outcomes (K, N) of a run of a report."""
    return np.array([[int(letter) for letter in row] for row in run["outcomes"][metric]], float)


def tables_of(curve: dict[str, Any], metric: str = "success") -> np.ndarray:
    """Outcomes (R, K, N) of all runs of a curve."""
    return np.stack([table_of(run, metric) for run in curve["runs"]])


def run_of(name: str, columns: Sequence[dict[str, Sequence[bool]]]) -> dict[str, Any]:
    """One run for a report: `columns` has for each point the outcomes of each metric, an entry an episode."""
    return {
        "name": name,
        "rates": {m: [rate(list(point[m])).model_dump() for point in columns] for m in METRICS},
        # As digits: a report stays small, and every interval can be computed again.
        "outcomes": {m: ["".join(str(int(flag)) for flag in point[m]) for point in columns] for m in METRICS},
    }


def curve_of(grid: Sequence[float], runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """All runs of one policy or controller: the pooled rates, the band over runs, and the figures of merit."""
    curve: dict[str, Any] = {"runs": list(runs)}
    pooled, bands = {}, []
    for metric in METRICS:
        tables = tables_of(curve, metric)
        pooled[metric] = [rate(list(tables[:, k].astype(bool).ravel())).model_dump() for k in range(len(grid))]
    for k in range(len(grid)):
        low, high, method = across_seeds([run["rates"]["success"][k]["rate"] for run in runs])
        bands.append({"low": low, "high": high, "method": method})
    return curve | {"pooled": pooled, "bands": bands, "merits": merits(grid, tables_of(curve))}


def table_text(grid: Sequence[float], curves: dict[str, dict[str, Any]], unit: str) -> str:
    """The curves as lines: success at the last step, pooled over runs, and the figures of merit."""
    lines = [f"{'σ (' + unit + ')':28s}" + "".join(f"{value:>8g}" for value in grid)]
    for name, curve in curves.items():
        rates = "".join(f"{100 * point['rate']:7.1f}%" for point in curve["pooled"]["success"])
        n = curve["pooled"]["success"][0]["n"]
        lines.append(f"{name + f' (n = {n})':28s}{rates}")
    for name, curve in curves.items():
        area, critical = curve["merits"]["area"], curve["merits"]["critical"]
        more = "over " if critical["beyond"] else ""
        lines.append(
            f"{name}: area {area['value']:.3f} [{area['low']:.3f}, {area['high']:.3f}], success below 50% at "
            f"{more}{critical['value']:.3g} {unit} [{critical['low']:.3g}, {critical['high']:.3g}]"
        )
    return "\n".join(lines)


def gains_text(gains: dict[str, dict[str, Any]]) -> str:
    """What `compared` found, a line a policy."""
    keys = ("clean", "best", "area", "improvement")
    return "\n".join(
        f"{name} minus clean: "
        + ", ".join(f"{k} {gain[k]['value']:+.3f} [{gain[k]['low']:+.3f}, {gain[k]['high']:+.3f}]" for k in keys)
        for name, gain in gains.items()
    )
