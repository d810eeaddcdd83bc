"""Chapter 04: what does hindsight buy? SAC on sparse Reach and Push, with it and without it, all else equal.

    python scripts/ch04_her_sparse_reach_push.py reach-all            # both ways, three seeds, evaluated, compared
    python scripts/ch04_her_sparse_reach_push.py push-all --seeds 0   # the same on Push, one seed
    python scripts/ch04_her_sparse_reach_push.py train --env FetchPush-v4 --her --n-sampled-goal 8 --seed 0
    python scripts/ch04_her_sparse_reach_push.py eval --ckpt checkpoints/sac_her_FetchPush-v4_nsg8_seed0.zip
    python scripts/ch04_her_sparse_reach_push.py compare --env FetchPush-v4 --seeds 0,1,2
    python scripts/ch04_her_sparse_reach_push.py ablation --env FetchPush-v4 --nsg-values 2,4,8 --seed 0
    python scripts/ch04_her_sparse_reach_push.py report               # numbers and figures of the page, from results/

Everything can be interrupted; the same command continues. What is finished is not done again.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import tyro
from chapter import DEFAULT, Chapter, Mode

from analysis.hindsight import METHODS, by_seed, compared, rates_text, rows_of_files, text_of
from analysis.reports import TrainMeta, load
from common.files import meta_path
from common.seeds import parse_seeds
from configs.hindsight import Changes, run_config, values_of
from configs.sweep import words

chapter = Chapter("ch04", "What does hindsight buy?")
PUSH, REACH = "FetchPush-v4", "FetchReach-v4"
Change, NONE = Annotated[Changes, tyro.conf.arg(name="")], Changes()


def trained(env: str, her: bool, seed: int, changes: Changes, mode: Mode, overwrite: bool = False) -> Path:
    """The checkpoint of a run, which is trained or continued where it is not finished."""
    config = run_config(env, her, seed, changes, mode.smoke)
    flags = [word for word in words(config) if word not in ("--smoke", "--out", config.out)]
    chapter.train(*flags, *["--overwrite"] * overwrite, out=Path(config.out).name, mode=mode, given=config.out)
    return chapter.file(f"{Path(config.out).name}.zip", mode, given=f"{config.out}.zip")


@chapter.command
def train(env: str = PUSH, her: bool = False, seed: int = 0, changes: Change = NONE, overwrite: bool = False,
          mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Train SAC with the settings of the recipe with hindsight, with it (--her) or without it."""
    trained(env, her, seed, changes, mode, overwrite)
    return 0


@chapter.command("eval")
def evaluate_one(ckpt: str, env: str | None = None, n_episodes: int = 100, mode: Mode = DEFAULT) -> int:
    """Evaluate a checkpoint on held-out episodes; the report is named after it."""
    path = Path(ckpt)
    if mode.smoke and not path.exists():
        path = trained(env or PUSH, True, 0, NONE, mode)  # smoke runs keep nothing that this one could evaluate
    chapter.evaluated(path, env or load(meta_path(path), TrainMeta).env_id, n_episodes, mode)
    return 0


@chapter.command
def compare(env: str = PUSH, seeds: str = "0,1,2", changes: Change = NONE, n_episodes: int = 100,
            mode: Mode = DEFAULT) -> int:  # fmt: skip
    """With hindsight against without, seed by seed; what is not trained or evaluated yet is."""
    from analysis.hindsight_figures import curves_figure
    from analysis.plots import save_figure

    found = []
    for her, method in enumerate(METHODS):
        for seed in parse_seeds(seeds)[: 1 if mode.smoke else None]:
            checkpoint = trained(env, bool(her), seed, changes if her else changes.without_relabelling(), mode)
            report = chapter.evaluated(checkpoint, env, n_episodes, mode)
            found.append((method, meta_path(checkpoint), report))
    data = compared(rows_of_files(found))
    print(text_of(env, data))
    curves = {method.replace("_", " "): [run["evaluations"] for run in data[method]["runs"]] for method in METHODS}
    save_figure(curves_figure({env: curves}), str(chapter.file(f"{env.lower()}_comparison.png", mode)))
    chapter.write(f"{env.lower()}_comparison", data, mode, env_id=env)
    return 0


@chapter.command
def ablation(env: str = PUSH, nsg_values: str = "2,4,8", strategies: str = "future", seed: int = 0,
             seeds: str | None = None, total_steps: int | None = None, n_episodes: int = 100,
             mode: Mode = DEFAULT) -> int:  # fmt: skip
    """How many relabelled transitions for each original one, and with which goals (future, final, episode)."""
    found = []
    for strategy, k in values_of(strategies, nsg_values)[: 2 if mode.smoke else None]:
        for each in parse_seeds(seeds or str(seed)):
            checkpoint = trained(env, True, each, Changes(total_steps, k, strategy), mode)
            report = chapter.evaluated(checkpoint, env, n_episodes, mode)
            found.append((f"{strategy}_k{k}", meta_path(checkpoint), report))
    data = by_seed(rows_of_files(found))
    print(rates_text(data))
    chapter.write(f"{env.lower()}_ablation", data, mode, env_id=env)
    return 0


@chapter.command
def report(mode: Mode = DEFAULT) -> int:
    """The page's numbers and figures, from the sweeps' reports in results/."""
    from analysis.hindsight_report import draw, gather

    return chapter.page_report(gather, draw, mode)


@chapter.command("all")
def run_all(seeds: str = "0", mode: Mode = DEFAULT) -> int:
    """The labs' checks, Reach and Push both ways, and the page's numbers and figures."""
    labs = [] if mode.smoke else ["her_relabeler.py", "her_sac_from_scratch.py"]
    steps = {lab: partial(chapter.call, f"scripts/labs/{lab}", "--verify") for lab in labs}
    steps |= {f"{env}-all": partial(compare, env, seeds, mode=mode) for env in (REACH, PUSH)}
    return chapter.run_all(steps | {"report": partial(report, mode=mode)}, mode)


def both_ways(env: str) -> None:
    """Make `reach-all` or `push-all`: `compare` for one task."""

    def command(seeds: str = "0,1,2", changes: Change = NONE, n_episodes: int = 100, mode: Mode = DEFAULT) -> int:
        return compare(env, seeds, changes, n_episodes, mode)

    command.__doc__ = f"{env} both ways: train, evaluate, compare."
    chapter.command(f"{env[5:-3].lower()}-all")(command)


both_ways(REACH)
both_ways(PUSH)

if __name__ == "__main__":
    chapter.main()
