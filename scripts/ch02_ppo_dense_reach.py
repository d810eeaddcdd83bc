"""Chapter 02: is the training loop right? PPO on dense Reach, its locked evaluation, and its early-warning dashboard.

python scripts/ch02_ppo_dense_reach.py train --seed 0            # the recipe, watched by the early warning
python scripts/ch02_ppo_dense_reach.py eval --seed 0             # 100 held-out episodes of that policy
python scripts/ch02_ppo_dense_reach.py multi-seed --seeds 0-2    # both for each seed, and the seeds together
python scripts/ch02_ppo_dense_reach.py broken --seeds 0-2        # runs broken on purpose, each named by a warning
python scripts/ch02_ppo_dense_reach.py report                    # figures and GIF of whatever was run
python scripts/ch02_ppo_dense_reach.py all                       # everything, the lab first; runs/ch02/
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from chapter import DEFAULT, Chapter, Mode

ENV = "FetchReachDense-v4"
# As the recipe was measured: 50 held-out episodes every 1,600 steps change what is seen of a run, not the run.
FLAGS = ("--algo", "ppo", "--env", ENV, "--eval-every", "1600", "--eval-episodes", "50")
NEXT = "bash docker/dev.sh python scripts/ch03_sac_dense_reach.py all"
chapter = Chapter("ch02", "is the training loop right?")


def checkpoint(seed: int, mode: Mode) -> Path:
    """Where the run of a seed goes, without .zip."""
    return chapter.file(f"ppo_seed{seed}", mode)


@chapter.command
def train(seed: int = 0, mode: Mode = DEFAULT) -> int:
    """Train the recipe, or continue; then say what the early warning finds in its log.

    Args:
        seed: Of training.
        mode: Sizes and places.
    """
    from analysis import early_warning

    meta = chapter.train(*FLAGS, "--seed", str(seed), out=f"ppo_seed{seed}", mode=mode)
    found = early_warning.first_findings(early_warning.rows_of(f"{checkpoint(seed, mode)}.metrics.jsonl"))
    print("\n".join(finding.text() for finding in found) or f"{meta.steps:,} steps, nothing to warn of")
    return 0


@chapter.command("eval")
def evaluate(seed: int = 0, seeds: str = "0-99", mode: Mode = DEFAULT) -> int:
    """Evaluate the policy of `train`: an environment of its own, held-out seeds, the mean action.

    Args:
        seed: Of training.
        seeds: Of the episodes.
        mode: Sizes and places.
    """
    import eval as contract

    ckpt = checkpoint(seed, mode).with_suffix(".zip")
    if mode.smoke and not ckpt.exists():
        train(seed, mode)
    report = contract.evaluate(contract.EvalConfig(
        ckpt=str(ckpt), env=ENV, seeds=seeds, n_episodes=2 if mode.smoke else None,
        json_out=str(chapter.file(f"seed{seed}_eval.json", mode)),
    ))  # fmt: skip
    print(contract.describe(report))
    return 0


@chapter.command
def multi_seed(seeds: str = "0-2", mode: Mode = DEFAULT) -> int:
    """Train and evaluate several seeds, and put them together: the number that a claim needs.

    Args:
        seeds: Of training; at least three.
        mode: Sizes and places.
    """
    from analysis import early_warning
    from analysis.compare import format_rate
    from analysis.reports import EvalReport, Rate, TrainMeta, load
    from analysis.runs import facts, together
    from common.files import meta_path
    from common.seeds import parse_seeds

    rows, numbers = [], parse_seeds(seeds)[: 1 if mode.smoke else None]
    for seed in numbers:
        train(seed, mode)
        evaluate(seed, mode=mode)
        meta = load(meta_path(checkpoint(seed, mode)), TrainMeta)
        warned = early_warning.first_findings(early_warning.rows_of(f"{checkpoint(seed, mode)}.metrics.jsonl"))
        report = load(chapter.file(f"seed{seed}_eval.json", mode), EvalReport)
        rows.append(facts(meta, report) | {"warned": len(warned), "wall_clock_s": meta.wall_clock_s})
    data = {"seeds": rows, **together(rows)}
    for row in rows:
        print(f"seed {row['seed']}: 95% after {row['steps_to_95']} steps, {format_rate(Rate(**row['success']))}")
    total = round(sum(row["wall_clock_s"] for row in rows), 1)
    chapter.write("multi_seed", data, mode, env_id=ENV, seeds=numbers, n_envs=meta.n_envs, wall_clock_s=total)
    return 0


@chapter.command
def broken(seeds: str = "0-2", steps: int = 16_000, mode: Mode = DEFAULT) -> int:
    """Train with each bug of scripts/break_ppo.py, watched: which warnings come, when, and what the policy solves.

    Args:
        seeds: Of training.
        steps: Environment steps of each run.
        mode: Sizes and places.
    """
    words = ["--seeds", seeds, "--steps", str(steps), *(["--smoke"] if mode.smoke else [])]
    places = ["--folder", str(chapter.file("broken", mode)), "--json-out", str(chapter.file("broken.json", mode))]
    return chapter.call("scripts/break_ppo.py", *words, *places)


@chapter.command
def report(mode: Mode = DEFAULT) -> int:
    """Draw the surrogate, the curve of the seeds, the dashboard of the runs, and a GIF of the first policy."""
    from analysis import ppo_plots
    from analysis.logs import evaluations, label, read_log
    from analysis.plots import curve_figure, save_figure

    figures = {"surrogate": ppo_plots.surrogate_figure()}
    if logs := sorted(checkpoint(0, mode).parent.glob("ppo_seed*.metrics.jsonl")):
        figures["curve"] = curve_figure({label(log): evaluations(read_log(log)) for log in logs})
    if runs := ppo_plots.runs_in(chapter.file("broken", mode)):
        figures["dashboard"] = ppo_plots.dashboard_figure(runs)
        chapter.write("dashboard", {name: ppo_plots.ranges(seeds) for name, seeds in runs.items()}, mode, env_id=ENV)
    for name, figure in figures.items():
        path = chapter.file(f"{name}.png", mode)
        save_figure(figure, path)
        print(f"figure -> {path}")
    if (trained := checkpoint(0, mode).with_suffix(".zip")).exists():
        words = ["--ckpt", str(trained), "--env", ENV, "--out", str(chapter.file("policy.gif", mode))]
        chapter.call("scripts/before_after.py", *words, "--size", "32" if mode.smoke else "160")
    return 0


@chapter.command("all")
def run_all(mode: Mode = DEFAULT) -> int:
    """The lab, three seeds, the broken runs, and the figures; interrupted, the same command continues."""
    steps = {} if mode.smoke else {"lab": partial(chapter.lab, "ppo_from_scratch.py", mode, "--demo")}
    steps |= {
        "multi-seed": partial(multi_seed, mode=mode),
        "broken": partial(broken, mode=mode),
        "report": partial(report, mode=mode),
    }
    return chapter.run_all(steps, mode, NEXT)


if __name__ == "__main__":
    chapter.main()
