"""What hindsight bought: runs with it against runs without it, in numbers that say how sure they are.

A run is a row as `analysis.sweeps.row_of` makes it, of a sweep's report or of a run's own files.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.compare import across_rates, format_rate, rate_difference
from analysis.metrics import rate
from analysis.reports import DataReport, EvalReport, Rate, TrainMeta, load
from analysis.runs import middle
from analysis.stats import across_seeds
from analysis.sweeps import aligned, row_of
from common.errors import UserError

METHODS = ("no_hindsight", "hindsight")
Row = dict[str, Any]


def pooled(rates: Sequence[Rate]) -> Rate:
    """All episodes of all seeds as one rate; its interval knows episodes and nothing of seeds."""
    return rate([i < r.successes for r in rates for i in range(r.n)])


def method_of(rows: Sequence[Row]) -> dict[str, Any]:
    """The seeds of one method together. Raises `UserError` where one is not finished."""
    for row in rows:
        if row["status"] != "finished":
            raise UserError(f"{row['variant']}, seed {row['seed']}, is {row['status']}; give its command again.")
    found: dict[str, Any] = {"seeds": [row["seed"] for row in rows], "runs": list(rows)}
    for key in ("success", "success_net"):
        rates = {row["seed"]: Rate.model_validate(row[key]) for row in rows}
        mean = across_rates(rates)
        found[key] = {
            "pooled": pooled(list(rates.values())).model_dump(), "mean": mean.mean, "low": mean.low, "high": mean.high,
            "method": mean.method,
        }  # fmt: skip
    found["median_steps_to_95"] = middle([row["steps_to_95"] for row in rows])
    return found


def difference_of(without: dict[str, Any], with_: dict[str, Any], key: str) -> dict[str, Any]:
    """With minus without, in fractions: over all episodes (Newcombe), and over the seeds that both have (t)."""
    episodes = rate_difference(*(Rate.model_validate(method[key]["pooled"]) for method in (with_, without)))
    own = [{row["seed"]: row[key]["rate"] for row in method["runs"]} for method in (without, with_)]
    shared = sorted(own[0].keys() & own[1].keys())
    found: dict[str, Any] = {"difference": episodes.difference, "low": episodes.low, "high": episodes.high}
    if len(shared) > 1:
        each = [own[1][seed] - own[0][seed] for seed in shared]
        low, high, how = across_seeds(each, bounds=(-1.0, 1.0))
        found["over_seeds"] = {
            "difference": sum(each) / len(each),
            "low": low,
            "high": high,
            "method": how,
            "seeds": shared,
        }
    return found


def compared(rows: Sequence[Row]) -> dict[str, Any]:
    """Both methods and their difference, with and without the episodes that began solved.

    Raises `UserError` where a method has no run.
    """
    methods = {}
    for method in METHODS:
        own = [row for row in rows if row["variant"] == method]
        if not own:
            raise UserError(f"no run of {method.replace('_', ' ')} to compare.")
        methods[method] = method_of(sorted(own, key=lambda row: row["seed"]))
    without, with_ = (methods[method] for method in METHODS)
    return methods | {f"difference{key.removeprefix('success')}": difference_of(without, with_, key)
                      for key in ("success", "success_net")}  # fmt: skip


def rows_of_files(pairs: Sequence[tuple[str, Path, Path]]) -> list[Row]:
    """Rows of single runs: (method, its .meta.json, its evaluation's report). Raises `UserError` on a missing file."""
    found = []
    for method, meta_file, report in pairs:
        meta, evaluation = load(meta_file, TrainMeta), load(report, EvalReport)
        found.append(row_of(method, meta.seeds[0], meta.status, meta, evaluation))
    return found


def rows_of_sweep(path: Path, variants: Sequence[str] = METHODS) -> list[Row]:
    """The rows of these variants of a sweep's report. Raises `UserError` on a missing or unfinished one."""
    rows = load(path, DataReport).data["rows"]
    for variant in variants:
        own = [row for row in rows if row["variant"] == variant]
        if not own or any(row["status"] != "finished" for row in own):
            raise UserError(f"{path}: {variant} is not finished; python scripts/sweep.py continues it.")
    return [row for row in rows if row["variant"] in variants]


def points(difference: dict[str, Any]) -> str:
    """'+93.1 points [90.2, 95.0]'."""
    value, low, high = (100 * difference[key] for key in ("difference", "low", "high"))
    return f"{value:+.1f} points [{low:+.1f}, {high:+.1f}]"


def text_of(task: str, data: dict[str, Any]) -> str:
    """The comparison as aligned text: every seed, then the differences."""
    rows = []
    for method in METHODS:
        for run in data[method]["runs"]:
            success, net = (format_rate(Rate.model_validate(run[key])) for key in ("success", "success_net"))
            crossed = f"{run['steps_to_95']:,}" if run["steps_to_95"] else "not"
            rows.append([method.replace("_", " "), str(run["seed"]), f"{run['steps']:,}", crossed, success, net])
    header = ("method", "seed", "steps", "95% after", "success", "not counting solved at reset")
    lines = [f"{task}", aligned(header, rows)]
    for key, what in (("difference", "with minus without"), ("difference_net", "not counting solved at reset")):
        line = f"{what}: {points(data[key])} (Newcombe 95%, all episodes)"
        if over := data[key].get("over_seeds"):
            line += f"; over {len(over['seeds'])} seeds {100 * over['low']:+.1f} to {100 * over['high']:+.1f}"
        lines.append(line)
    return "\n".join(lines)


def by_seed(rows: Sequence[Row]) -> dict[str, list[dict[str, Any]]]:
    """Each variant's final success, seed by seed."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row["variant"], []).append(row["success"])
    return found


def rates_text(data: dict[str, list[dict[str, Any]]]) -> str:
    """A line for each variant: its seeds' final success, in the order of the seeds."""
    lines = [[name, *[format_rate(Rate.model_validate(rate)) for rate in rates]] for name, rates in data.items()]
    widest = max(len(line) for line in lines)
    header = ["variant", *[f"run {i + 1}" for i in range(widest - 1)]]
    return aligned(header, [line + [""] * (widest - len(line)) for line in lines])
