"""Chapter 03: is the off-policy stack right? SAC on dense Reach, its replay and critics examined, its speed, and PPO.

python scripts/ch03_sac_dense_reach.py all          # the lab and all below; files under runs/ch03/
python scripts/ch03_sac_dense_reach.py train --seed 0
python scripts/ch03_sac_dense_reach.py eval --ckpt runs/ch03/sac_seed0.zip
python scripts/ch03_sac_dense_reach.py diagnose     # a healthy run beside two sick ones, one figure
python scripts/ch03_sac_dense_reach.py throughput   # environments and updates swept
python scripts/ch03_sac_dense_reach.py compare      # PPO and SAC, three seeds each
"""

from __future__ import annotations

from functools import partial
from typing import Any

from chapter import DEFAULT, Chapter, Mode

from common.seeds import parse_seeds

ENV = "FetchReachDense-v4"
NEXT = "bash docker/dev.sh python scripts/ch04_her_sparse_reach_push.py reach-all --seeds 0"
chapter = Chapter("ch03", "is the off-policy stack right?")


def draw(figure: Any, name: str, mode: Any) -> None:
    """Write a figure and say where."""
    from analysis.plots import save_figure

    path = chapter.file(name, mode)
    save_figure(figure, path)
    print(f"figure -> {path}")


def flags(algo: str, seed: int, total_steps: int, mode: Any, eval_every: int = 400) -> list[str]:
    """Of a run with the recipe's settings; PPO's rollouts are 1,600 steps, so it cannot be judged more often."""
    known = ["--algo", algo, "--env", ENV, "--seed", str(seed)]
    known += ["--eval-every", str(eval_every), "--eval-episodes", "50"]
    return known[:6] if mode.smoke else [*known, "--total-steps", str(total_steps)]


@chapter.command
def train(seed: int = 0, total_steps: int = 4000, mode: Mode = DEFAULT) -> int:
    """Train SAC with the recipe to runs/ch03/sac_seed<seed>.zip; the same command continues an interrupted run.

    Args:
        seed: Of everything random in the run.
        total_steps: Environment steps, over all environments together.
        mode: Sizes and places.
    """
    chapter.train(*flags("sac", seed, total_steps, mode), out=f"sac_seed{seed}", mode=mode)
    print(f"next:\n  bash docker/dev.sh python scripts/ch03_sac_dense_reach.py eval --seed {seed}")
    return 0


def judged(
    algo: str, seed: int, mode: Any, seeds: str = "0-99", json_out: str | None = None, ckpt: str | None = None
) -> Any:
    """The report of a final checkpoint on held-out episodes, as `eval.py` makes it."""
    import eval as contract

    path, report = (
        chapter.file(f"{algo}_seed{seed}.zip", mode),
        chapter.file(f"{algo}_seed{seed}_eval.json", mode, json_out),
    )
    return contract.evaluate(contract.EvalConfig(
        ckpt=ckpt or str(path), env=ENV, seeds=seeds, n_episodes=2 if mode.smoke else None, json_out=str(report)
    ))  # fmt: skip


@chapter.command("eval")
def evaluate(ckpt: str | None = None, seed: int = 0, seeds: str = "0-99", json_out: str | None = None,
             mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Evaluate a checkpoint on held-out episodes.

    Args:
        ckpt: Checkpoint; by default the one that `train` wrote.
        seed: Training seed of that one.
        seeds: Of the episodes.
        json_out: Report to write instead of the chapter's own.
        mode: Sizes and places.
    """
    import eval as contract

    if mode.smoke and ckpt is None:
        train(seed, mode=mode)
    print(contract.describe(judged("sac", seed, mode, seeds, json_out, ckpt)))
    return 0


@chapter.command
def diagnose(seeds: str = "0", total_steps: int = 4000, mode: Mode = DEFAULT) -> int:
    """Examine healthy and sick runs: what the replay holds, what the critics promise, what the policy obtains.

    Args:
        seeds: Training seeds; the figure of the replay shows the first.
        total_steps: Environment steps of each run.
        mode: Sizes and places.
    """
    from break_sac import HOW, SICK, examined

    from analysis.critic_trends import trends_figure
    from analysis.replay_diagnostics import brief, diagnostics_figure

    chosen, runs = parse_seeds(seeds)[: 1 if mode.smoke else None], {}
    for how in HOW:
        # What is plainly sick shows on one seed; what is a matter of degree needs several.
        own = chosen[:1] if how in SICK else chosen
        runs[how] = [
            examined(how, seed, total_steps, str(chapter.file(f"{how}_seed{seed}", mode)), mode.smoke) for seed in own
        ]
    shown = {how: runs[how][0] for how in ("healthy", *SICK)}
    draw(diagnostics_figure(shown, f"{ENV}, SAC, seed {chosen[0]}"), "diagnostics.png", mode)
    draw(trends_figure(runs), "critics.png", mode)
    runs = {how: [*own[:1], *map(brief, own[1:])] if how in shown else [*map(brief, own)] for how, own in runs.items()}
    chapter.write("diagnose", {"runs": runs}, mode, config={"total_steps": total_steps}, env_id=ENV, seeds=chosen)
    return 0


@chapter.command
def throughput(n_envs: tuple[int, ...] = (4, 8, 16), updates: tuple[float, ...] = (0.25, 0.5, 1.0), seeds: str = "0",
               total_steps: int = 3200, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Sweep parallel environments and updates per environment step: speed, and steps and time to 95%.

    Args:
        n_envs: Numbers of parallel environments.
        updates: Updates per environment step.
        seeds: Training seeds of each point.
        total_steps: Environment steps of each run.
        mode: Sizes and places.
    """
    from analysis.throughput import points, rounds, row, sweep_figure, table

    chosen, places = parse_seeds(seeds), [(n, u, rounds(n, u)) for n in n_envs for u in updates]
    if mode.smoke:
        chosen, places = chosen[:1], places[:1]
    rows = []
    for seed in chosen:
        for n, per_step, per_round in places:
            sizes = ["--n-envs", str(n), "--gradient-steps", str(per_round)]
            meta = chapter.train(
                *flags("sac", seed, total_steps, mode), *sizes, out=f"speed_{n}x{per_round}_seed{seed}", mode=mode
            )
            rows.append(row(meta, n, per_step))
    print(table(rows))
    draw(sweep_figure(rows), "throughput.png", mode)
    data, config = {"rows": rows, "points": points(rows)}, {"total_steps": total_steps}
    chapter.write("throughput", data, mode, config=config, env_id=ENV, seeds=chosen)
    return 0


@chapter.command
def compare(seeds: str = "0-2", mode: Mode = DEFAULT) -> int:
    """PPO and SAC with their recipes, evaluated alike: steps and minutes to 95%, and the final checkpoint.

    Args:
        seeds: Training seeds of each.
        mode: Sizes and places.
    """
    from analysis.runs import facts, together
    from analysis.speed_plots import curves_figure

    chosen, data, curves = parse_seeds(seeds)[: 1 if mode.smoke else None], {}, {}
    for algo, total_steps, eval_every in (("ppo", 24_000, 1600), ("sac", 4000, 400)):
        metas = [
            chapter.train(*flags(algo, seed, total_steps, mode, eval_every), out=f"{algo}_seed{seed}", mode=mode)
            for seed in chosen
        ]
        rows = [facts(meta, judged(algo, meta.seeds[0], mode)) for meta in metas]
        data[algo] = {"seeds": rows, **together(rows)}
        curves[algo.upper()] = [meta.evaluations for meta in metas]
        for each in rows:
            print(f"{algo} seed {each['seed']}: 95% after {each['steps_to_95']} steps, {each['minutes_to_95']} min")
    draw(curves_figure(curves, ENV), "compare.png", mode)
    chapter.write("compare", data, mode, env_id=ENV, seeds=chosen)
    return 0


@chapter.command("all")
def run_all(mode: Mode = DEFAULT) -> int:
    """The lab and all of the above, one after another; the same command continues after an interruption."""
    steps = {"train": train, "eval": evaluate, "diagnose": diagnose, "throughput": throughput, "compare": compare}
    lab = {} if mode.smoke else {"lab": partial(chapter.lab, "sac_from_scratch.py", mode, "--demo")}
    each = lab | {name: partial(step, mode=mode) for name, step in steps.items()}
    # The page shows three seeds of it.
    return chapter.run_all(each | {"diagnose": partial(diagnose, mode=mode.private)}, mode, NEXT)


if __name__ == "__main__":
    chapter.main()
