"""Learning curves of all recipes and seeds, and of stock where it was measured, from the committed reports."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from analysis.logs import read_log
from analysis.plots import save_figure
from analysis.reports import DataReport, Evaluation, TrainMeta, load, save
from analysis.runs import progress
from analysis.speed_plots import curves_figure
from common import provenance
from common.errors import UserError

RECIPES, SWEEPS = Path("results/recipes"), Path("results/sweeps")
# The sweeps in which stock classes learn beside ours.
BESIDE = {"FetchPush-v4": "push_stock"}


def recipe_runs(folder: Path = RECIPES) -> dict[str, list[TrainMeta]]:
    """The measured seeds of each recipe, by its name. Raises `UserError` where there are none."""
    found = {}
    for report in sorted(folder.glob("*.json")):
        metas = [load(path, TrainMeta) for path in sorted((folder / report.stem).glob("seed*_train.json"))]
        if metas:
            found[report.stem] = metas
    if not found:
        raise UserError(f"no recipe was measured under {folder}; run scripts/measure_recipe.py first.")
    return found


def moved_shares(folder: Path) -> list[dict[str, Any]]:
    """In how many of the newest 100 episodes the object moved 2 cm, seed by seed, of a recipe's logs in `folder`.

    `first`: when updates began, which is what random actions do; `least` thereafter; `half_at_steps`: where it first
    was a half. Nothing for logs that do not say.
    """
    found = []
    for path in sorted(folder.glob("seed*_metrics.jsonl")):
        shares = [(e["steps"], e["replay/moved_lately"]) for e in read_log(path) if "replay/moved_lately" in e]
        if shares:
            half = next((steps for steps, share in shares if share >= 0.5), None)
            found.append({
                "seed": int(path.name.removeprefix("seed").split("_")[0]), "first": shares[0][1],
                "least": min(share for _, share in shares), "half_at_steps": half,
            })  # fmt: skip
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


def report(json_out: str, figures: str, recipes: Path = RECIPES, sweeps: Path = SWEEPS) -> int:
    """Print and write steps and minutes to 95% of every recipe's seeds.

    Draws each task's recipes, and stock beside them where its sweep was run, to `figures`_<env id>.png.
    """
    began = time.monotonic()
    rows: list[dict[str, Any]] = []
    runs, tasks = recipe_runs(recipes), {}
    for name, metas in runs.items():
        env_id = metas[0].env_id
        ours = f"this project, {name.removesuffix(f'_{env_id}')}"
        tasks.setdefault(env_id, {})[ours] = [meta.evaluations for meta in metas]
        for meta in metas:
            rows.append({"recipe": name, "commit": meta.commit} | progress(meta))
            crossed, minutes = rows[-1]["steps_to_95"], rows[-1]["minutes_to_95"]
            text = "not reached" if crossed is None else f"{crossed:,} steps, {minutes:.2f} min of training"
            print(f"{name:32s} seed {rows[-1]['seed']}: 95% {text}")
    for env_id, groups in tasks.items():
        if env_id in BESIDE:
            groups |= sweep_curves(sweeps / f"{BESIDE[env_id]}.json")
        save_figure(curves_figure(groups, env_id), f"{figures}_{env_id}.png")
    seconds = round(time.monotonic() - began, 3)
    config = {"recipes": sorted(runs), "beside": BESIDE}
    data = {"rows": rows, "moved": {name: moved_shares(recipes / name) for name in runs}}
    save(json_out, DataReport(**provenance.metadata(config, wall_clock_s=seconds), name="learning_curves", data=data))
    print(f"report -> {json_out}\nfigures -> {figures}_*.png")
    return 0
