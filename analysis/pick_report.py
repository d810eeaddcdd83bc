"""The numbers and figures of chapter 05, from the reports of its commands: nothing is trained or simulated here.

What was not run is left out, so that the page's other numbers can be made from what there is.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.failures import KINDS
from analysis.grasping import STAGES
from analysis.hindsight import pooled
from analysis.reports import DataReport, Rate, load
from analysis.runs import middle
from analysis.stress import FACTORS, NOMINAL
from analysis.stress_figures import arms_figure, stages_figure, stress_figure
from common.errors import UserError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RECIPE, ENV = "sac_her_FetchPickAndPlace-v4", "FetchPickAndPlace-v4"
Report = dict[str, Any]


def _data(path: Path) -> Report | None:
    """The data of a report; None where it was not made."""
    return load(path, DataReport).data if path.exists() else None


def stress_reports(results: Path) -> list[Report]:
    """The stress test of each seed of the recipe; of the reference policy alone where they were not run.

    Raises `UserError` where one is of several policies: a checkpoint that was trained again before all was measured.
    """
    seeds = sorted(results.glob(f"ch05_{RECIPE.lower()}_seed*_stress.json"))
    paths = seeds or [results / f"ch05_{ENV.lower()}_stress.json"]
    found = {path: data for path in paths if (data := _data(path)) is not None}
    for path, data in found.items():
        if len({point["sha256"] for point in data.values()}) > 1:
            raise UserError(f"{path} holds points of several weights; give the command stress again.")
    return list(found.values())


def point_together(reports: list[Report], name: str) -> Report:
    """One point over the checkpoints that have it: all episodes as one rate, each seed's own, and failures by kind."""
    own = [report[name] for report in reports if name in report]
    success = {group: [Rate.model_validate(one["success"][group]) for one in own] for group in ("all", "air", "table")}
    return {
        "seeds": len(own), "n": sum(one["n"] for one in own),
        "success": {group: pooled(rates).model_dump() for group, rates in success.items()},
        "each": {group: [rate.model_dump() for rate in rates] for group, rates in success.items()},
        "failures": {kind: sum(one["failures"][g][kind] for one in own for g in ("air", "table")) for kind in KINDS},
    }  # fmt: skip


def stages_together(found: list[Report]) -> Report:
    """The grades of several checkpoints as one."""
    return {
        group: {
            stage: pooled([Rate.model_validate(one[group][stage]) for one in found]).model_dump() for stage in STAGES
        }
        for group in ("all", "air", "table")
    }  # fmt: skip


def shift_of(rows: list[Report]) -> Report:
    """Each variant of the sweep of shifted rewards: success of all seeds together and one by one, steps to 95%."""
    found: Report = {}
    for name in dict.fromkeys(row["variant"] for row in rows if row["status"] == "finished"):
        own = [row for row in rows if row["variant"] == name and row["status"] == "finished"]
        rates = [Rate.model_validate(row["success"]) for row in own]
        found[name] = {
            "seeds": [row["seed"] for row in own], "success": pooled(rates).model_dump(),
            "each": [rate.model_dump() for rate in rates],
            "median_steps_to_95": middle([row["steps_to_95"] for row in own]),
        }  # fmt: skip
    return found


def gather(results: Path) -> Report:
    """All numbers of the page that the reports in `results` hold. Raises `UserError` where there is no stress test."""
    reports = stress_reports(results)
    if not reports:
        raise UserError(f"no stress test in {results}; run the command stress with --publish first.")
    names = dict.fromkeys(name for report in reports for name in report)
    points = {name: point_together(reports, name) for name in names}
    beyond = [point["failures"] for name, point in points.items() if name != NOMINAL]
    data: Report = {
        "stress": points, "curves": reports,
        "failures": {kind: sum(counts[kind] for counts in beyond) for kind in KINDS},
        "stages": stages_together([report[NOMINAL]["stages"] for report in reports]),
        "smoothness": [report[NOMINAL]["stages"]["smoothness"] for report in reports],
    }  # fmt: skip
    if recipe := _data(results / f"recipes/{RECIPE}.json"):
        rates = [Rate.model_validate(row["success"]) for row in recipe["seeds"]]
        data["train_like"] = {"success": pooled(rates).model_dump(), "seeds": recipe["seeds"],
                              "median_steps_to_95": recipe["median_steps_to_95"]}  # fmt: skip
    for name in ("compare", "dense", "shaping"):
        if (found := _data(results / f"ch05_{name}.json")) is not None:
            data[name] = found["arms"] if name == "compare" else found
    if shift := _data(results / "sweeps/ch05_reward_shift.json"):
        data["shift"] = shift_of(shift["rows"])
    return data


def draw(data: Report) -> dict[str, Figure]:
    """The figures by their names."""
    policies = {"sparse, with hindsight": data["stages"]}
    task, thing = list(FACTORS)[:3], list(FACTORS)[3:]
    curves = data["curves"]
    figures = {"stress_task": stress_figure(curves, task), "stress_object": stress_figure(curves, thing)}
    if "dense" in data:
        policies = {"dense reward": data["dense"]} | policies
    if "compare" in data:
        figures["arms"] = arms_figure(data["compare"])
    return figures | {"stages": stages_figure(policies)}
