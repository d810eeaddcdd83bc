"""Measure a recipe: train it over several seeds, evaluate each, and write down what it reached and when.

    python scripts/measure_recipe.py --algo sac --her --env FetchReach-v4 --seeds 0-2 --eval-every 400

Writes `results/recipes/<recipe>/seed<k>_{train,eval}.json` and `seed<k>_metrics.jsonl`, a summary
`results/recipes/<recipe>.json`, and the `measured` block of the recipe's YAML. Runs that exist are continued, finished
ones are reused, so the same command goes on after an interruption.
"""

from __future__ import annotations

import dataclasses
import shutil
import sys
from pathlib import Path
from typing import Any

from analysis.compare import format_rate
from analysis.reports import DataReport, EvalReport, TrainMeta, load, save
from analysis.runs import RULE, facts, machine, together
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError
from common.files import meta_path, write_atomically
from common.seeds import parse_seeds
from configs.recipes import FOLDER, recipe_name
from configs.train_config import Algo, TrainConfig


@dataclasses.dataclass(frozen=True)
class MeasureConfig:
    """Measure a recipe over several training seeds."""

    algo: Algo
    """Learning algorithm."""
    env: str
    """Environment id."""
    her: bool = False
    """With hindsight."""
    seeds: str = "0-2"
    """Training seeds; at least three make a recipe."""
    eval_every: int = 10_000
    """Steps between evaluations; this changes what is seen of the run, not the run."""
    eval_episodes: int = 50
    """Episodes of each."""
    eval_seeds: str = "0-99"
    """Seeds of the final evaluation."""
    results: str = "results/recipes"
    """Where the reports go."""
    reference: bool = False
    """Ship the first seed's checkpoint as checkpoints/reference/<env>.zip, with its report."""
    smoke: bool = False
    """Small knobs, one seed, no change to the recipe's file."""


def one_seed(config: MeasureConfig, seed: int, folder: Path) -> tuple[TrainMeta, EvalReport]:
    """Train and evaluate one seed, or read what an earlier call left of it.

    Raises `UserError` where a finished run of that name has other settings than the recipe and this call, and
    `KeyboardInterrupt` where the training was stopped: half of a run measures nothing.
    """
    from eval import EvalConfig, evaluate
    from train import resolved_for, run

    name = recipe_name(config.algo, config.env, config.her)
    out = folder / "checkpoints" / f"{name}_seed{seed}" if config.smoke else Path(f"checkpoints/{name}_seed{seed}")
    meta_file = meta_path(f"{out}.zip")
    wanted = TrainConfig(
        algo=config.algo, env=config.env, her=config.her, seed=seed, out=str(out), smoke=config.smoke,
        eval_every=config.eval_every, eval_episodes=None if config.smoke else config.eval_episodes,
    )  # fmt: skip
    if not (meta_file.exists() and load(meta_file, TrainMeta).status == "finished"):
        run(wanted)
    meta = load(meta_file, TrainMeta)
    if meta.status != "finished":
        raise KeyboardInterrupt
    other = [key for key, value in resolved_for(wanted).settings.items() if meta.config.get(key) != value]
    if other:
        raise UserError(f"{meta_file} is a run with another {', '.join(other)}; move it away to measure the recipe.")
    report = evaluate(EvalConfig(
        ckpt=f"{out}.zip", env=config.env, seeds=config.eval_seeds, n_episodes=2 if config.smoke else None,
        json_out=str(folder / name / f"seed{seed}_eval.json"),
    ))  # fmt: skip
    save(folder / name / f"seed{seed}_train.json", meta)
    shutil.copyfile(f"{out}.metrics.jsonl", folder / name / f"seed{seed}_metrics.jsonl")
    return meta, report


def measured_block(data: dict[str, Any], report_file: str) -> str:
    """The YAML lines that a recipe carries about its own measurement."""
    rows = [
        f"    - {{seed: {f['seed']}, steps_to_95: {f['steps_to_95'] or 'null'}, "
        f"minutes_to_95: {f['minutes_to_95'] or 'null'}, final: {f['success']['successes']} of {f['success']['n']}}}"
        for f in data["seeds"]
    ]
    head = ["measured:", f"  report: {report_file}", f"  machine: {data['machine']}", f"  rule: {data['rule']}"]
    return "\n".join([*head, "  seeds:", *rows]) + "\n"


def measure(config: MeasureConfig) -> int:
    """All seeds, the summary and the recipe's block; returns the exit status."""
    seeds = parse_seeds(config.seeds)[: 1 if config.smoke else None]
    if len(seeds) < 3 and not config.smoke:
        # They would replace what more seeds said, in the reports and in the recipe.
        raise UserError(f"--seeds {config.seeds}: at least three seeds make a recipe.")
    if config.smoke:
        import tempfile

        config = dataclasses.replace(config, results=tempfile.mkdtemp(prefix="recipe-"))
    folder, name = Path(config.results), recipe_name(config.algo, config.env, config.her)
    recipe = FOLDER / f"{name}.yaml"
    if not recipe.exists() and not config.smoke:
        raise UserError(f"there is no recipe {recipe.name} to measure.")
    pairs = [one_seed(config, seed, folder) for seed in seeds]
    rows = [facts(*pair) for pair in pairs]
    data = {
        "recipe": name, "rule": RULE.format(n=config.eval_episodes), "eval_every": config.eval_every,
        "machine": machine(pairs[0][0].hardware), "seeds": rows, **together(rows),
    }  # fmt: skip
    summary = DataReport(
        **provenance.metadata(
            dataclasses.asdict(config) | {"results": Path(config.results).name}, env_id=config.env, seeds=seeds,
            device=pairs[0][0].device, n_envs=pairs[0][0].n_envs,
            wall_clock_s=round(sum(meta.wall_clock_s for meta, _ in pairs), 1),
            evaluation_protocol=pairs[0][1].evaluation_protocol,
        ), name="recipe", data=data,
    )  # fmt: skip
    save(folder / f"{name}.json", summary)
    for row, (_, report) in zip(rows, pairs, strict=True):
        print(f"seed {row['seed']}: 95% at {row['steps_to_95']} steps, final {format_rate(report.aggregate.success)}")
    print(f"summary -> {folder / name}.json")
    if config.reference and not config.smoke:
        first = f"checkpoints/{name}_seed{seeds[0]}"
        target = Path("checkpoints/reference") / config.env
        write_atomically(f"{target}.zip", Path(f"{first}.zip").read_bytes())
        write_atomically(meta_path(target), meta_path(first).read_bytes())
        save(f"results/reference/{config.env}_eval.json", pairs[0][1])
        print(f"reference policy -> {target}.zip")
    if not config.smoke:
        text = recipe.read_text(encoding="utf-8").split("measured:\n")[0]
        write_atomically(recipe, text + measured_block(data, f"{config.results}/{name}.json"))
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: measure(parse(MeasureConfig, None, prog="measure_recipe.py"))))
