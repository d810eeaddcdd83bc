"""What pixels cost: arms of chapter 09 side by side, and the ratio of steps to a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from analysis.compare import format_rate, markdown_table
from analysis.reports import EvalReport, Rate, TrainMeta
from analysis.runs import curve, facts, together

Runs = Mapping[str, Sequence[tuple[TrainMeta, EvalReport]]]


def compared(arms: Runs, ceiling: str, published: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Each arm's runs, their medians, and ρ: its median steps to 95% over those of the arm `ceiling`.

    ρ is measured at a threshold, never made of budgets: it is None where either arm did not cross it.
    `published`: the "arms" of an earlier result, whose runs stand in for the seeds that `arms` does not have.
    """
    rows = {arm: [_row(meta, report) for meta, report in runs] for arm, runs in arms.items()}
    for arm, found in (published or {}).items():
        here = {run["seed"] for run in rows.get(arm, [])}
        rows[arm] = rows.get(arm, []) + [run for run in found["runs"] if run["seed"] not in here]
    data: dict[str, Any] = {"ceiling": ceiling, "arms": {}}
    for arm, runs in rows.items():
        runs = sorted(runs, key=lambda run: run["seed"])
        data["arms"][arm] = {"runs": runs} | together(runs)
    base = data["arms"].get(ceiling, {}).get("median_steps_to_95")
    for found in data["arms"].values():
        crossed = found["median_steps_to_95"]
        found["rho"] = round(crossed / base, 2) if crossed and base else None
    return data


def _row(meta: TrainMeta, report: EvalReport) -> dict[str, Any]:
    how = {"commit": meta.commit, "status": meta.status, "resumed": meta.resumed, "wall_clock_s": meta.wall_clock_s}
    return facts(meta, report) | how | {"curve": curve(meta)}


def _table(data: dict[str, Any]) -> str:
    rows = []
    for arm, found in data["arms"].items():
        for run in found["runs"]:
            crossed = f"{run['steps_to_95']:,}" if run["steps_to_95"] else f"not in {run['steps']:,}"
            minutes = f"{run['minutes_to_95']:.1f}" if run["minutes_to_95"] else ""
            rate = format_rate(Rate.model_validate(run["success"]))
            rows.append([arm, run["seed"], crossed, minutes, f"{run['wall_clock_s'] / 60:.1f}", rate])
    return markdown_table(["arm", "seed", "steps to 95%", "minutes to 95%", "minutes in all", "final success"], rows)


def reach_text(data: dict[str, Any]) -> str:
    """The table, and ρ of each arm."""
    ratios = [
        f"rho of {arm}: {found['rho']}" for arm, found in data["arms"].items()
        if arm != data["ceiling"] and found["rho"]
    ]  # fmt: skip
    return "\n".join([_table(data), *ratios])


def push_text(data: dict[str, Any]) -> str:
    """The table of whatever was trained."""
    return _table(data) if data["arms"] else "nothing of Push is trained yet; see --help for the commands"
