"""Chapter 05: grasping, without fooling yourself. PickAndPlace: dense first, then sparse, then put under stress.

    python scripts/ch05_pick_and_place.py dense-debug --seed 0       # dense reward: reach, touch, grasp, lift, place?
    python scripts/ch05_pick_and_place.py train --seed 0             # sparse with hindsight, the recipe with its bursts
    python scripts/ch05_pick_and_place.py train --arm none --seed 0  # the same without bursts
    python scripts/ch05_pick_and_place.py curriculum --seed 0        # goals that begin near instead of bursts
    python scripts/ch05_pick_and_place.py eval --ckpt checkpoints/ch05_bursts_seed0.zip
    python scripts/ch05_pick_and_place.py stress --ckpt checkpoints/reference/FetchPickAndPlace-v4.zip
    python scripts/ch05_pick_and_place.py compare --seeds 0,1,2      # bursts, none and curriculum
    python scripts/ch05_pick_and_place.py all                        # the reference policy taken apart, minutes

Everything can be interrupted; the same command continues. What is finished is not done again.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import tyro
from chapter import DEFAULT, Chapter, Mode

from analysis.grasping import graded, graded_text
from analysis.pick_and_place import arm_row, arms_text, arms_together
from analysis.reports import DataReport, TrainMeta, load
from analysis.stress import FACTORS, NOMINAL, examined, options, points, stress_text
from common.errors import UserError
from common.files import sha256
from common.seeds import parse_seeds
from configs.pick_and_place import ARMS, DENSE, ENV, Schedule, arm_config, check_arm, dense_config
from configs.sweep import words

chapter = Chapter("ch05", "Grasping, without fooling yourself")
Plan, SLOW = Annotated[Schedule, tyro.conf.arg(name="")], Schedule()
REFERENCE = f"checkpoints/reference/{ENV}.zip"


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
    file, note, plan = Path(f"{place}.meta.json"), f"{place.name}_schedule", dataclasses.asdict(schedule)
    meta = load(file, TrainMeta) if file.exists() and not overwrite else None
    if meta is None or meta.status != "finished":
        callback = of_schedule(schedule)
        meta = run(config, callbacks=[callback])
        if meta.status != "finished":
            raise KeyboardInterrupt
        chapter.write(note, {"schedule": plan, "widened_at": callback.widened_at, "stage": callback.stage}, mode)
    elif load(chapter.file(f"{note}.json", mode), DataReport).data["schedule"] != plan:
        raise UserError(f"{place}.zip was trained with another schedule; add --overwrite to train it again.")
    return Path(f"{place}.zip"), meta


def episodes(
    checkpoint: Path | str, n: int, mode: Mode, changes: dict[str, float] | None = None, env: str = ENV
) -> Any:
    """Traces of the seeds 0, 1, … under `changes` of the task."""
    from envs.rollout import run_episodes
    from persistence.subject import Wanted
    from persistence.subject import checkpoint as load_subject

    subject = load_subject(str(checkpoint), Wanted(env, env_option=options(changes or {})))
    return list(run_episodes(subject.make_policy, subject.task.make, range(4 if mode.smoke else n), 2))


@chapter.command
def dense_debug(seed: int = 0, total_steps: int | None = None, n_episodes: int = 100, mode: Mode = DEFAULT) -> int:
    """Train on the dense task, and grade: how often does the policy reach, touch, grasp, lift, place?"""
    checkpoint, meta = trained(dense_config(seed, total_steps, mode.smoke), mode)
    found = graded(episodes(checkpoint, n_episodes, mode, env=DENSE))
    print(graded_text(found))
    chapter.write(
        "dense", found | {"steps": meta.steps, "minutes": meta.wall_clock_s / 60}, mode, env_id=DENSE, seeds=[seed]
    )
    return 0


@chapter.command
def train(seed: int = 0, arm: str = "bursts", total_steps: int | None = None, overwrite: bool = False,
          mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Train sparse PickAndPlace with hindsight: the recipe (bursts), or without its bursts (none)."""
    check_arm(arm)
    trained(arm_config(arm, seed, total_steps, mode.smoke), mode, SLOW if arm == "curriculum" else None, overwrite)
    return 0


@chapter.command
def curriculum(seed: int = 0, total_steps: int | None = None, overwrite: bool = False, schedule: Plan = SLOW,
               mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Train without bursts and with goals and objects that begin near; they widen as the policy succeeds."""
    trained(arm_config("curriculum", seed, total_steps, mode.smoke), mode, schedule, overwrite)
    return 0


def judged(checkpoint: Path, n: int, mode: Mode, changes: dict[str, float] | None = None) -> dict[str, Any]:
    """What `examined` says of a checkpoint, with its hash."""
    if not checkpoint.exists():
        raise UserError(f"{checkpoint} does not exist; train it first, or give another --ckpt.")
    return {"sha256": sha256(checkpoint.read_bytes())} | examined(episodes(checkpoint, n, mode, changes))


def known(path: Path, key: str, checkpoint: Path, n: int) -> dict[str, Any] | None:
    """An earlier result of these weights and this number of episodes."""
    data = load(path, DataReport).data.get(key) if path.exists() and checkpoint.exists() else None
    same = data and (data["n"], data["sha256"]) == (n, sha256(checkpoint.read_bytes()))
    return data if same else None


def evaluated(checkpoint: Path, n: int, mode: Mode) -> dict[str, Any]:
    """Success by stratum of a checkpoint on the task as it is; nothing is done twice."""
    name = f"{checkpoint.stem.lower()}_strata"
    found = known(chapter.file(f"{name}.json", mode), NOMINAL, checkpoint, n)
    if found is None:
        found = judged(checkpoint, n, mode)
        chapter.write(name, {NOMINAL: found}, mode, env_id=ENV)
    print(f"{checkpoint.stem}\n{stress_text({NOMINAL: found})}")
    return found


@chapter.command("eval")
def evaluate_one(ckpt: str = REFERENCE, n_episodes: int = 500, mode: Mode = DEFAULT) -> int:
    """Evaluate a checkpoint on held-out episodes of the task as it is, goals in the air and on the table apart."""
    evaluated(Path(ckpt), n_episodes, mode)
    return 0


@chapter.command
def stress(ckpt: str = REFERENCE, factors: str = ",".join(FACTORS), n_episodes: int = 500, mode: Mode = DEFAULT) -> int:
    """Wider, higher, heavier, more slippery, smaller and larger: one factor at a time, then all of them a little."""
    checkpoint, asked = Path(ckpt), points([word.strip() for word in factors.split(",")])
    name, n = f"{checkpoint.stem.lower()}_stress", 4 if mode.smoke else n_episodes
    path, found = chapter.file(f"{name}.json", mode), {}
    before = load(path, DataReport).data if path.exists() else {}
    for point, changes in list(asked.items())[: 2 if mode.smoke else None]:
        found[point] = known(path, point, checkpoint, n)
        if found[point] is None:
            found[point] = judged(checkpoint, n, mode, changes)
            chapter.write(name, before | found, mode, env_id=ENV)
    print(stress_text(found))
    return 0


@chapter.command
def compare(seeds: str = "0,1,2", arms: str = ",".join(ARMS), total_steps: int | None = None, n_episodes: int = 500,
            mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Bursts, none and curriculum after the same steps, seed by seed; what is not trained or evaluated yet is."""
    rows, names = [], [word.strip() for word in arms.split(",")]
    for arm in names:
        check_arm(arm)
    for seed in parse_seeds(seeds)[: 1 if mode.smoke else None]:
        for arm in names:
            config = arm_config(arm, seed, total_steps, mode.smoke)
            checkpoint, meta = trained(config, mode, SLOW if arm == "curriculum" else None)
            rows.append(arm_row(arm, meta, meta.steps, evaluated(checkpoint, n_episodes, mode)))
    data = arms_together(rows)
    print(arms_text(data))
    chapter.write("compare", {"arms": data}, mode, env_id=ENV)
    return 0


if __name__ == "__main__":
    chapter.main()
