"""The numbers and figures of chapter 04, from the reports of its sweeps: nothing is trained here."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.hindsight import METHODS, by_seed, compared, pooled, rows_of_files, rows_of_sweep, text_of
from analysis.hindsight_figures import bits_figure, curves_figure, dots_figure
from analysis.reports import DataReport, Rate, load

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PUSH_STEPS, CROSSED_STEPS = 60_000, 40_000
RELABELLING = ("future_k2", "future_k4", "future_k8", "final_k4", "episode_k4")
# Of push_ablation.json and push_settings.json, in the words of the page.
PARTS = {
    "recipe": "the recipe", "no_normalisation": "raw inputs", "no_mirror": "no mirror image",
    "no_reachable_goals": "no acting on achieved goals", "no_moved_share": "no extra draw of episodes that moved",
    "no_random_actions": "no random actions after the warm-up", "returns_of_1_step": "returns of one step",
    "no_clipped_targets": "targets not clipped", "no_matched_goals": "no matching to desired goals",
}  # fmt: skip
# The sweep of each task that crosses updates, entropy and inputs, how many updates its recipe makes, and where a cell
# has another name: the recipe on Push stands in its sweep once.
FACTORIAL = {
    "reach": ("ch04_reach_factorial", "one_for_1", {}),
    "push": ("ch04_push_parts", "three_for_4", {"three_for_4_fixed_map": "future_k4"}),
}
FACTORS = {"updates": ("many", "one for 8"), "entropy": ("fixed", "tuned"), "inputs": ("map", "raw")}


def rates_of(results: Path, sweep: str, variants: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """Final success of these variants of a sweep, seed by seed."""
    return by_seed(rows_of_sweep(results / f"sweeps/{sweep}.json", variants))


def push_rows(results: Path) -> list[dict[str, Any]]:
    """Runs on Push without hindsight and with it: of the sweep, and with it of the recipe where the sweep has none yet.

    The recipe's own runs have the same settings but for the number of threads, and go on to 96,000 steps.
    """
    without = rows_of_sweep(results / "sweeps/ch04_push.json", ["no_hindsight"])
    rows = load(results / "sweeps/ch04_push.json", DataReport).data["rows"]
    with_ = [row for row in rows if row["variant"] == "hindsight"]
    if with_ and all(row["status"] == "finished" for row in with_):
        return without + with_
    return without + recipe_rows(results, [row["seed"] for row in without])


def recipe_rows(results: Path, seeds: Sequence[int]) -> list[dict[str, Any]]:
    """The runs of Push's recipe with these training seeds, as rows of a sweep."""
    folder = results / "recipes/sac_her_FetchPush-v4"
    files = [("hindsight", folder / f"seed{seed}_train.json", folder / f"seed{seed}_eval.json") for seed in seeds]
    return rows_of_files(files)


def recipe_rates(results: Path) -> list[dict[str, Any]]:
    """Success of Push's recipe after 40,000 steps, seed by seed: that of the evaluation during training."""
    return [row["success"] for row in rows_at(recipe_rows(results, range(3)), CROSSED_STEPS)]


def rows_at(rows: Sequence[dict[str, Any]], steps: int) -> list[dict[str, Any]]:
    """The same runs as they were after `steps`: success is that of the evaluation at that point of training."""
    found = []
    for row in rows:
        (at,) = [e for e in row["evaluations"] if e["steps"] == steps]
        before = [e for e in row["evaluations"] if e["steps"] <= steps]
        crossed = row["steps_to_95"] if row["steps_to_95"] and row["steps_to_95"] < steps else None
        found.append(row | {"steps": steps, "updates": at["updates"], "evaluations": before, "steps_to_95": crossed}
                     | {key: at[key] for key in ("success", "success_net")})  # fmt: skip
    return found


def finished_rates(results: Path, sweep: str, variants: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The same of those variants of which every seed is finished; nothing of a sweep that was not run."""
    path = results / f"sweeps/{sweep}.json"
    rows = load(path, DataReport).data["rows"] if path.exists() else []
    open_ = {row["variant"] for row in rows if row["status"] != "finished"}
    return by_seed([row for row in rows if row["variant"] in variants and row["variant"] not in open_])


def factorial(results: Path, task: str) -> dict[str, Any]:
    """Final success in every finished cell of the factorial, and what each of the three factors changed.

    A cell is named after its levels, such as `one_for_8_tuned_raw`; `many_…` has the updates of the recipe. Where the
    sweep has not run Push's recipe, the recipe's own runs stand in for it, as they were after as many steps.
    """
    sweep, many, names = FACTORIAL[task]
    cells = {}
    for levels in itertools.product(*FACTORS.values()):
        name = "_".join(levels).replace(" ", "_")
        variant = name.replace("many", many)
        variant = names.get(variant, variant)
        rates = finished_rates(results, sweep, [variant]).get(variant)
        if variant in names.values():
            rates = rates or recipe_rates(results)
        if rates:
            mean = sum(rate["rate"] for rate in rates) / len(rates)
            cells[name] = dict(zip(FACTORS, levels, strict=True)) | {"rates": rates, "mean": mean}
    return {"cells": cells, "effects": effects(list(cells.values()))}


def effects(cells: Sequence[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """What each factor changed, in points: over all pairs of cells that differ in it alone, as in the recipe or not."""
    found: dict[str, dict[str, float]] = {}
    for factor, (better, _) in FACTORS.items():
        others = [name for name in FACTORS if name != factor]
        means = {(cell[factor] == better, *[cell[o] for o in others]): cell["mean"] for cell in cells}
        gains = [100 * (means[key] - means[False, *key[1:]]) for key in means if key[0] and (False, *key[1:]) in means]
        if gains:
            found[factor] = {"pairs": len(gains), "mean": sum(gains) / len(gains), "least": min(gains),
                             "most": max(gains)}  # fmt: skip
    return found


def gather(results: Path) -> dict[str, Any]:
    """All numbers of the page. Raises `UserError` where a sweep is missing or not finished."""
    push = push_rows(results)
    equal = len({row["steps"] for row in push}) == 1
    data: dict[str, Any] = {
        "reach": compared(rows_of_sweep(results / "sweeps/ch04_reach.json")),
        # After the same number of steps: final checkpoints, or evaluations of the same episodes where the recipe's runs
        # are longer; these at their ends apart.
        "push": compared(push if equal else rows_at(push, PUSH_STEPS)),
    }
    if not equal:
        data["push_final"] = compared(push)
    data["relabelling"] = {
        "reach": finished_rates(results, "ch04_reach_relabelling", RELABELLING),
        "push": finished_rates(results, "ch04_push_parts", RELABELLING),
    }
    # Push's recipe with one thing changed, measured before the sweep that crosses them.
    data["settings"] = rates_of(results, "push_settings", ["one_update_for_4", "ent_coef_auto", "no_relative_goal"])
    data["settings"] |= finished_rates(results, "ch04_push_factorial", ["one_for_8"])
    raw = rates_of(results, "reach_seeds", ["no_input_map"])["no_input_map"]
    data["reach_raw"] = pooled([Rate.model_validate(rate) for rate in raw]).model_dump()
    data["parts"] = rates_of(results, "push_ablation", list(PARTS))
    data["factorial"] = {task: factorial(results, task) for task in FACTORIAL}
    data["push"]["differences"] = text_of("FetchPush-v4", data["push"]).splitlines()[-2:]
    data["bits"] = load(results / "ch04_bit_flip.json", DataReport).data["rows"]
    return data


def draw(data: dict[str, Any]) -> dict[str, Figure]:
    """The figures by their names."""
    names = {"no_hindsight": "without hindsight", "hindsight": "with hindsight"}
    panels = {
        f"Fetch{task.capitalize()}-v4": {names[m]: [r["evaluations"] for r in data[task][m]["runs"]] for m in METHODS}
        for task in ("reach", "push")
    }
    parts = {PARTS[name]: rates for name, rates in data["parts"].items()}
    order = sorted(parts, key=lambda name: -sum(rate["rate"] for rate in parts[name]))
    early = "Push, 40,000 steps, without one part"
    figures = {
        "curves": curves_figure(panels),
        "learn_early": dots_figure({early: {name: parts[name] for name in order}}, reference="the recipe"),
        "bit_flip": bits_figure(data["bits"], data["bits"][0]["success"]["n"]),
    }
    goals = {
        f"{where} steps": {name.replace("_k", ", k = "): own[name] for name in RELABELLING if name in own}
        for where, own in zip(("Reach, 2,000", "Push, 40,000"), data["relabelling"].values(), strict=True)
    }
    crossed = {
        f"{where} steps": {", ".join(cell[f] for f in FACTORS): cell["rates"] for cell in own["cells"].values()}
        for where, own in zip(("Reach, 2,400", "Push, 40,000"), data["factorial"].values(), strict=True)
    }
    for name, own, reference in (("relabelling", goals, "future, k = 4"), ("factorial", crossed, "many, fixed, map")):
        if shown := {where: rows for where, rows in own.items() if len(rows) > 1}:  # one row compares nothing
            figures[name] = dots_figure(shown, reference=reference)
    return figures
