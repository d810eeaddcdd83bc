"""Chapter 05: grasping, without fooling yourself. PickAndPlace: dense first, then sparse, then put under stress.

    python scripts/ch05_pick_and_place.py all                        # the reference policy taken apart, minutes
    python scripts/ch05_pick_and_place.py dense-debug --seed 0       # dense reward: reach, touch, grasp, lift, place?
    python scripts/ch05_pick_and_place.py train --seed 0             # sparse with hindsight; --arm none: without bursts
    python scripts/ch05_pick_and_place.py curriculum --seed 0        # goals that begin near instead of bursts
    python scripts/ch05_pick_and_place.py stress --ckpt checkpoints/ch05_bursts_seed0.zip  # eval: the task as it is
    python scripts/ch05_pick_and_place.py gallery                    # films of its failures; shaping: hidden things
    python scripts/ch05_pick_and_place.py compare --seeds 0,1,2      # bursts, none and curriculum
    python scripts/ch05_pick_and_place.py report                     # numbers and figures of the page, from results/

Everything can be interrupted; the same command continues, and what is finished is not done again.
"""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro
from chapter import DEFAULT, Chapter, Mode

from analysis.grasping import graded, graded_text
from analysis.pick_and_place import arm_row, arms_text, arms_together
from analysis.reports import DataReport, TrainMeta, load
from analysis.stress import FACTORS, NOMINAL, points, stress_text
from common.errors import UserError
from common.files import meta_path
from common.seeds import parse_seeds
from configs.pick_and_place import ARMS, DENSE, ENV, Schedule, arm_config, arm_names, dense_config
from configs.sweep import words

chapter = Chapter("ch05", "Grasping, without fooling yourself")
Plan, SLOW = Annotated[Schedule, tyro.conf.arg(name="")], Schedule()
REFERENCE = f"checkpoints/reference/{ENV}.zip"
NEXT = "bash docker/dev.sh python scripts/ch06_action_interface.py all"
RECIPE = Path(f"results/recipes/sac_her_{ENV}")


def trained(
    config: Any, mode: Mode, schedule: Schedule | None = None, overwrite: bool = False
) -> tuple[Path, TrainMeta]:
    """The checkpoint and metadata of a run, which is trained or continued where it is not finished."""
    place = chapter.file(Path(config.out).name, mode, given=config.out)
    if schedule is None:
        flags = [word for word in words(config) if word not in ("--smoke", "--out", config.out)]
        meta = chapter.train(*flags, *["--overwrite"] * overwrite, out=place.name, mode=mode, given=config.out)
        return Path(f"{place}.zip"), meta
    from callbacks.curriculum import of_schedule
    from train import run

    config = dataclasses.replace(config, out=str(place), overwrite=overwrite)
    file, note, plan = meta_path(place), f"{place.name}_schedule", dataclasses.asdict(schedule)
    meta = load(file, TrainMeta) if file.exists() and not overwrite else None
    if meta is None or meta.status != "finished":
        callback = of_schedule(schedule)
        meta = run(config, callbacks=[callback])
        if meta.status != "finished":
            raise KeyboardInterrupt
        chapter.write(
            note, {"schedule": plan, "widened_at": callback.widened_at, "stage": callback.stage}, mode.private
        )
    elif load(chapter.file(f"{note}.json", mode.private), DataReport).data["schedule"] != plan:
        raise UserError(f"{place}.zip was trained with another schedule; add --overwrite to train it again.")
    return Path(f"{place}.zip"), meta


@chapter.command
def train(seed: int = 0, arm: str = "bursts", total_steps: int | None = None, overwrite: bool = False,
          mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Train sparse PickAndPlace with hindsight: the recipe (bursts), or without its bursts (none)."""
    trained(arm_config(arm, seed, total_steps, mode.smoke), mode, SLOW if arm == "curriculum" else None, overwrite)
    return 0


@chapter.command
def curriculum(seed: int = 0, total_steps: int | None = None, overwrite: bool = False, schedule: Plan = SLOW,
               mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Train without bursts and with goals and objects that begin near; they widen as the policy succeeds."""
    trained(arm_config("curriculum", seed, total_steps, mode.smoke), mode, schedule, overwrite)
    return 0


def policy(ckpt: str, mode: Mode) -> Path:
    """The checkpoint that is asked for; smoke runs judge one that they train themselves, which fails at once."""
    return trained(arm_config("bursts", 0, None, True), mode)[0] if mode.smoke else Path(ckpt)


def measured(checkpoint: Path, asked: dict[str, dict[str, float]], n: int, mode: Mode) -> dict[str, dict[str, Any]]:
    """What the checkpoint does at each point of the stress test; what is known of it is not measured again."""
    from evaluation.strata import measured as at_each

    name = f"{checkpoint.stem.lower()}_stress"
    path, keep = chapter.file(f"{name}.json", mode), partial(chapter.write, name, mode=mode, env_id=ENV)
    found = at_each(checkpoint, ENV, asked, 4 if mode.smoke else n, path, keep)
    print(f"{checkpoint.stem}\n{stress_text(found)}")
    return found


@chapter.command
def dense_debug(seed: int = 0, total_steps: int | None = None, n_episodes: int = 100, mode: Mode = DEFAULT) -> int:
    """Train on the dense task, and grade: how often does the policy reach, touch, grasp, lift, place?"""
    from evaluation.strata import episodes

    checkpoint, meta = trained(dense_config(seed, total_steps, mode.smoke), mode)
    found = graded(episodes(checkpoint, DENSE, 4 if mode.smoke else n_episodes))
    print(graded_text(found))
    facts = {"steps": meta.steps, "training_s": meta.wall_clock_s, "commit": meta.commit}
    chapter.write("dense", found | facts, mode, env_id=DENSE, seeds=[seed])
    return 0


@chapter.command("eval")
def evaluate_one(ckpt: str = REFERENCE, n_episodes: int = 500, mode: Mode = DEFAULT) -> int:
    """Evaluate a checkpoint on held-out episodes: goals in the air and on the table apart, and grades."""
    found = measured(policy(ckpt, mode), {NOMINAL: {}}, n_episodes, mode)
    print(graded_text(found[NOMINAL]["stages"]))
    return 0


@chapter.command
def stress(ckpt: str = REFERENCE, factors: str = ",".join(FACTORS), n_episodes: int = 500, mode: Mode = DEFAULT) -> int:
    """Wider, higher, heavier, more slippery, smaller and larger: one factor at a time, then all of them a little."""
    asked = points([word.strip() for word in factors.split(",")], 2 if mode.smoke else None)
    measured(policy(ckpt, mode), asked, n_episodes, mode)
    return 0


@chapter.command
def gallery(ckpt: str = REFERENCE, cells: int = 12, size: int = 160, mode: Mode = DEFAULT) -> int:
    """Film the stress test's failures, the word of each kind drawn on it; every kind in turn, seeds in their order."""
    from evaluation.failure_films import film_failures

    checkpoint = policy(ckpt, mode)
    if mode.smoke:
        cells, size, _ = 2, 48, stress(ckpt, "object_size", mode=mode)
    found = load(chapter.file(f"{checkpoint.stem.lower()}_stress.json", mode), DataReport).data
    film_failures(checkpoint, ENV, found, chapter.file("failures.gif", mode), cells, size)
    return 0


@chapter.command
def shaping(seeds: str = "0-9", n_episodes: int = 100, mode: Mode = DEFAULT) -> int:
    """What observations give away of mass, friction, time and goals; the policy's episodes under a shifted reward."""
    from evaluation.shaping import given_away_here, shaping_text, shifted

    found = {"hidden": given_away_here(ENV, parse_seeds(seeds)[: 1 if mode.smoke else None]),
             "shifted": shifted(policy(REFERENCE, mode), ENV, 2 if mode.smoke else n_episodes)}  # fmt: skip
    print(shaping_text(found))
    chapter.write("shaping", found, mode, env_id=ENV)
    return 0


@chapter.command
def compare(seeds: str = "0,1,2", arms: str = ",".join(ARMS), total_steps: int | None = None, n_episodes: int = 500,
            recipe_runs: bool = False, mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Bursts, none, curriculum after the same steps; --recipe-runs: all seeds of the bursts from results/recipes/."""
    rows, names, steps = [], arm_names(arms), arm_config("bursts", 0, total_steps).total_steps
    if recipe_runs:
        rows = [arm_row("bursts", load(path, TrainMeta), steps) for path in sorted(RECIPE.glob("seed*_train.json"))]
    for seed in parse_seeds(seeds)[: 1 if mode.smoke else None]:
        for arm in [name for name in names if not (recipe_runs and name == "bursts")]:
            config = arm_config(arm, seed, total_steps, mode.smoke)
            checkpoint, meta = trained(config, mode, SLOW if arm == "curriculum" else None)
            strata = measured(checkpoint, {NOMINAL: {}}, n_episodes, mode)[NOMINAL]
            rows.append(arm_row(arm, meta, meta.steps, strata))
    data = arms_together(rows)
    print(arms_text(data))
    chapter.write("compare", {"arms": data}, mode, env_id=ENV)
    return 0


@chapter.command
def report(mode: Mode = DEFAULT) -> int:
    """The page's numbers and figures, from the reports in results/."""
    from analysis.pick_report import draw, gather

    return chapter.page_report(gather, draw, mode)


@chapter.command("all")
def run_all(seeds: str = "0", n_episodes: int = 100, mode: Mode = DEFAULT) -> int:
    """The lab's checks, the reference policy taken apart and put under stress, and the recipe trained once."""
    # Of the lab and of the arms, the page shows more than this.
    steps = {} if mode.smoke else {"lab": partial(chapter.lab, "curriculum.py", mode.private)}
    steps |= {
        "shaping": partial(shaping, mode=mode), "stress": partial(stress, n_episodes=n_episodes, mode=mode),
        "gallery": partial(gallery, mode=mode), "compare": partial(compare, seeds, "bursts", mode=mode.private),
    }  # fmt: skip
    return chapter.run_all(steps, mode, NEXT)


if __name__ == "__main__":
    chapter.main()
