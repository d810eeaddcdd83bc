"""Results of training runs: one row per run, and a summary over the seeds of one setting."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from analysis.compare import across_rates
from analysis.reports import EvalReport, Hardware, Rate, TrainMeta, load
from analysis.stats import steps_to_threshold
from common.files import meta_path

RULE = "the first of two consecutive evaluations of {n} held-out episodes at or above 95%"


def machine(hardware: Hardware) -> str:
    """`2 cores (<the CPU's name>), no GPU`."""
    return f"{hardware.cores} cores ({hardware.cpu}), {hardware.gpu or 'no GPU'}"


def finished(checkpoints: Iterable[Path]) -> list[str]:
    """Those of finished runs, sorted; the others are named: half of a run is no seed. `UserError`: no metadata."""
    found = []
    for path in sorted(checkpoints):
        if (status := load(meta_path(path), TrainMeta).status) == "finished":
            found.append(str(path))
        else:
            print(f"{path} is left out: its run is {status}")
    return found


def progress(meta: TrainMeta) -> dict[str, Any]:
    """How far a run is, finished or not: its steps, and the point where it crossed 95% if it has. Times are training's.

    `steps_to_95` and its companions are None where it has not crossed.
    """
    crossed = steps_to_threshold([(e.steps, e.success.rate) for e in meta.evaluations if e.success.rate is not None])
    at = next((e for e in meta.evaluations if e.steps == crossed), None)
    return {
        "seed": meta.seeds[0],
        "steps": meta.steps,
        "updates": meta.updates,
        "training_s": round(meta.steps / meta.steps_per_second, 1) if meta.steps_per_second else None,
        "steps_to_95": crossed,
        "updates_to_95": at.updates if at else None,
        "minutes_to_95": round(at.wall_clock_s / 60, 3) if at else None,
    }


def facts(meta: TrainMeta, report: EvalReport) -> dict[str, Any]:
    """`progress` of a finished run, and its final checkpoint over held-out episodes."""
    total = report.aggregate
    return progress(meta) | {"success": total.success.model_dump(), "success_net": total.success_net.model_dump()}


def curve(meta: TrainMeta) -> list[dict[str, Any]]:
    """The evaluations during training, in the order of training."""
    return [
        {"steps": e.steps, "updates": e.updates, "minutes": round(e.wall_clock_s / 60, 3),
         "success": e.success.model_dump(), "success_net": e.success_net.model_dump()}
        for e in meta.evaluations
    ]  # fmt: skip


def middle(values: Sequence[float | None]) -> float | None:
    """The median, a seed that never crossed counting as later than all others; None where the median itself did not."""
    numbers = sorted(float("inf") if v is None else v for v in values)
    median = statistics.median(numbers)
    return None if median == float("inf") else median


def together(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Several seeds of one setting, each a row of `facts`: medians, and mean final success with its 95% interval."""
    result = across_rates({row["seed"]: Rate.model_validate(row["success"]) for row in rows})
    return {
        "median_steps_to_95": middle([row["steps_to_95"] for row in rows]),
        "median_minutes_to_95": middle([row["minutes_to_95"] for row in rows]),
        "success_across_seeds": {
            "mean": result.mean, "low": result.low, "high": result.high, "method": result.method,
        },
    }  # fmt: skip
