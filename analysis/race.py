"""Who learns how fast: the recipes' seeds and whatever ran beside them, from the committed reports."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from analysis import provenance
from analysis.errors import UserError
from analysis.plots import save_figure
from analysis.reports import DataReport, Evaluation, TrainMeta, load, save
from analysis.runs import progress
from analysis.speed_plots import race_figure

RECIPES, SWEEPS = Path("results/recipes"), Path("results/sweeps")
# The sweep in which stock classes learn beside ours.
BESIDE = "push_stock"


def recipe_runs(folder: Path = RECIPES) -> dict[str, list[TrainMeta]]:
    """The measured seeds of each recipe, by its name."""
    found = {}
    for report in sorted(folder.glob("*.json")):
        metas = [load(path, TrainMeta) for path in sorted((folder / report.stem).glob("seed*_train.json"))]
        if metas:
            found[report.stem] = metas
    if not found:
        raise UserError(f"no recipe was measured under {folder}; run scripts/measure_recipe.py first.")
    return found


def sweep_curves(path: Path) -> dict[str, list[list[Evaluation]]]:
    """The evaluations of each run of a sweep's report, by variant; nothing where there is no such report."""
    curves: dict[str, list[list[Evaluation]]] = {}
    if path.exists():
        for row in load(path, DataReport).data["rows"]:
            run = [
                Evaluation(steps=e["steps"], updates=e["updates"], wall_clock_s=60 * e["minutes"],
                           success=e["success"], success_net=e["success_net"])
                for e in row["evaluations"]
            ]  # fmt: skip
            if run:
                curves.setdefault(row["variant"], []).append(run)
    return curves


def race(json_out: str, figure: str, recipe: str = "sac_her_FetchPush-v4") -> int:
    """Print and write steps and minutes to 95% of every recipe's seeds, and draw `recipe` beside stock."""
    began = time.monotonic()
    rows: list[dict[str, Any]] = []
    runs = recipe_runs()
    for name, metas in runs.items():
        for meta in metas:
            rows.append({"recipe": name, "commit": meta.commit} | progress(meta))
            crossed, minutes = rows[-1]["steps_to_95"], rows[-1]["minutes_to_95"]
            text = "not reached" if crossed is None else f"{crossed:,} steps, {minutes:.2f} min of training"
            print(f"{name:32s} seed {rows[-1]['seed']}: 95% {text}")
    if recipe not in runs:
        raise UserError(f"{recipe} was not measured under {RECIPES}.")
    groups = {"ours": [meta.evaluations for meta in runs[recipe]]} | sweep_curves(SWEEPS / f"{BESIDE}.json")
    save_figure(race_figure(groups, recipe.rsplit("_", 1)[-1]), figure)
    seconds = round(time.monotonic() - began, 3)
    config = {"recipes": sorted(runs), "beside": BESIDE}
    save(json_out, DataReport(**provenance.metadata(config, wall_clock_s=seconds), name="race", data={"rows": rows}))
    print(f"report -> {json_out}\nfigure -> {figure}")
    return 0
