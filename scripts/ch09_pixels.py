"""ch09 – pixels, no cheating: what does it cost to see, rather than be told?

    python scripts/ch09_pixels.py count                               # multiplications before minutes: choose first
    python scripts/ch09_pixels.py render                              # milliseconds a frame, frames a second
    python scripts/ch09_pixels.py train-state --seed 0                # Reach from state, the ceiling
    python scripts/ch09_pixels.py train-pixel --seed 0                # Reach from frames, the goal in the picture
    python scripts/ch09_pixels.py train-pixel-drq --seed 0            # the same with random shifts
    python scripts/ch09_pixels.py compare --seeds 0,1                 # all three, and the price of pixels
    python scripts/ch09_pixels.py distil --seed 0                     # Push: a student from pixels of the state policy
    python scripts/ch09_pixels.py train-push-her --seed 0
    python scripts/ch09_pixels.py train-pixel-her-drq --seed 0 --env FetchPush-v4
    python scripts/ch09_pixels.py train-pixel-asym --seed 0           # its critics are told the state
    python scripts/ch09_pixels.py train-pixel-her-aux --seed 0        # its encoder is taught where the block is
    python scripts/ch09_pixels.py train-blind-her --seed 0            # a control without pixels; so is distil-blind
    python scripts/ch09_pixels.py push-compare
    python scripts/ch09_pixels.py encoder-compare                     # the student with each encoder
    python scripts/ch09_pixels.py distil --env FetchPickAndPlace-v4   # then pick-compare: in the air, on the table

What each of them may see stands in configs/pixels.py. Everything can be interrupted; the same command continues.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from chapter import DEFAULT, Chapter, Mode

from analysis.pixels import compared, push_text, reach_text
from analysis.reports import DataReport, EvalReport, TrainMeta, load
from common.errors import UserError
from common.files import meta_path
from common.grids import parse_grid
from common.seeds import parse_seeds
from configs.pixels import ARMS, ENCODER, PICK, PUSH, run_config, run_name
from configs.sweep import words

chapter = Chapter("ch09", "What does it cost to see, rather than be told?")
REACH_ARMS = ("state", "pixels", "pixels_drq")
Pair = tuple[TrainMeta, EvalReport]
PUSH_ARMS = tuple(arm for arm, chosen in ARMS.items() if chosen.env == PUSH)


def trained(arm: str, env: str | None, seed: int, mode: Mode, overwrite: bool = False, **changes: Any) -> Path:
    """The checkpoint of a run, which is trained or continued where it is not finished."""
    changes = {key: value for key, value in changes.items() if value is not None}
    config = run_config(arm, seed, env, changes, mode.smoke)
    name = run_name(arm, config.env, seed, changes.get("encoder"))
    flags = [word for word in words(config) if word not in ("--smoke", "--out", str(config.out))]
    chapter.train(*flags, *["--overwrite"] * overwrite, out=name, mode=mode)
    return chapter.file(f"{name}.zip", mode)


def one_arm(name: str, arm: str, episodes: int, what: str) -> None:
    """Make a subcommand that trains and evaluates one arm."""

    def command(
        seed: int = 0, env: str | None = None, total_steps: int | None = None, encoder: str | None = None,
        overwrite: bool = False, mode: Mode = DEFAULT,
    ) -> int:  # fmt: skip
        checkpoint = trained(arm, env, seed, mode, overwrite, total_steps=total_steps, encoder=encoder)
        chapter.evaluated(checkpoint, env or ARMS[arm].env, episodes, mode)
        return 0

    command.__doc__ = what
    chapter.command(name)(command)


one_arm("train-state", "state", 100, "Reach from the simulator's state: the ceiling.")
one_arm("train-pixel", "pixels", 100, "Reach from frames that show the goal's marker.")
one_arm("train-pixel-drq", "pixels_drq", 100, "The same with DrQ's random shifts.")
one_arm("train-push-state", "push_state", 100, "Push from state without hindsight: it does not learn.")
one_arm("train-push-her", "push_her", 500, "Push from state with hindsight.")
one_arm("train-pixel-her-drq", "pixels_her_drq", 500, "Push from frames with hindsight and random shifts.")
one_arm("train-pixel-asym", "pixels_asym", 500, "The same, with critics that read the state while they train.")
one_arm("train-pixel-her-aux", "pixels_her_aux", 500, "The same, with an encoder that is taught where the block is.")
one_arm("train-blind-her", "blind_her", 500, "Push with all that a policy from pixels may see, but for the pixels.")
one_arm("distil", "distil", 500, "Push from frames by imitation of the policy from state (DAgger).")
one_arm("distil-blind", "distil_blind", 500, "The same student without pixels.")


@chapter.command
def compare(seeds: str = "0,1", arms: str = ",".join(REACH_ARMS), report: str = "reach_comparison",
            mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Reach from state, from pixels and with shifts; rho is steps to 95% from pixels over steps to 95% from state."""
    for arm in arms.split(","):
        # A misspelt arm is said before any other is trained.
        run_config(arm, 0)
    chosen = parse_seeds(seeds)[: 1 if mode.smoke else None]
    metas = {arm: _runs(arm, chosen, 100, mode) for arm in arms.split(",")}
    data = compared(metas, ceiling="state")
    print(reach_text(data))
    chapter.write(report, data, mode, env_id=ARMS["state"].env)
    return 0


@chapter.command("push-compare")
def push_compare(seeds: str = "0,1", arms: str = ",".join(PUSH_ARMS),
                 beside: str = "results/ch09_push_comparison.json", mode: Mode = DEFAULT) -> int:  # fmt: skip
    """What of Push has been trained, arm by arm, and how far each run came; only smoke mode trains here.

    Runs that are not on this machine are taken from the report `beside`.
    """
    metas: dict[str, list[Pair]] = {}
    for arm in arms.split(","):
        for seed in parse_seeds(seeds):
            checkpoint = chapter.file(f"{run_name(arm, run_config(arm, seed).env, seed)}.zip", mode)
            if mode.smoke and arm == "distil" and seed == 0:
                checkpoint = trained(arm, None, seed, mode)
            if checkpoint.exists():
                metas.setdefault(arm, []).append(_pair(checkpoint, arm, 500, mode))
    known = load(beside, DataReport).data["arms"] if beside and not mode.smoke else {}
    known = {arm: found for arm, found in known.items() if arm in arms.split(",")}
    data = compared({arm: metas.get(arm, []) for arm in ARMS if arm in metas | known}, "push_her", known)
    print(push_text(data))
    chapter.write("push_comparison", data, mode, env_id=ARMS["distil"].env)
    return 0


@chapter.command("encoder-compare")
def encoder_compare(encoders: str = "spatial,nature,manipulation", seeds: str = "0", mode: Mode = DEFAULT) -> int:
    """Push by the student, who differs in the encoder alone; trains what is missing."""
    chosen = encoders.split(",")[: 2 if mode.smoke else None]
    # What the student has of its own is no change, and its run is that of `distil`.
    others = {name: None if name == ENCODER.split(":")[0] else f"{name}:bf16=true" for name in chosen}
    metas = {name: _runs("distil", parse_seeds(seeds), 500, mode, other) for name, other in others.items()}
    data = compared(metas, ceiling="spatial")
    print(push_text(data))
    chapter.write("encoder_comparison", data, mode, env_id=ARMS["distil"].env)
    return 0


@chapter.command("pick-compare")
def pick_compare(seeds: str = "0", mode: Mode = DEFAULT) -> int:
    """PickAndPlace by the student: goals in the air and on the table apart; only smoke mode trains here."""
    from analysis.pick_and_place import arm_row
    from analysis.stress import stress_text
    from evaluation.strata import judged

    runs = {}
    for seed in parse_seeds(seeds):
        checkpoint = chapter.file(f"{run_name('distil', PICK, seed)}.zip", mode)
        if mode.smoke:
            trained("distil", PICK, seed, mode)
        if not checkpoint.exists():
            raise UserError(f"{checkpoint} does not exist: train it first, with distil --env {PICK} --seed {seed}.")
        meta = load(meta_path(checkpoint), TrainMeta)
        runs[f"seed {seed}"] = arm_row("distil", meta, meta.steps, judged(checkpoint, PICK, 2 if mode.smoke else 500))
    print(stress_text({name: run["strata"] for name, run in runs.items()}))
    chapter.write("pick_comparison", {"runs": list(runs.values())}, mode, env_id=PICK)
    return 0


def _pair(checkpoint: Path, arm: str, episodes: int, mode: Mode) -> Pair:
    report = chapter.evaluated(checkpoint, ARMS[arm].env, episodes, mode)
    return load(meta_path(checkpoint), TrainMeta), load(report, EvalReport)


def _runs(arm: str, seeds: list[int], episodes: int, mode: Mode, encoder: str | None = None) -> list[Pair]:
    return [_pair(trained(arm, None, seed, mode, encoder=encoder), arm, episodes, mode) for seed in seeds]


@chapter.command
def count(sizes: str = "64,84", batch: int = 128, mode: Mode = DEFAULT) -> int:
    """Multiplications of each encoder at each size in pixels, and what an update of it takes of one core, in ms."""
    from agents.encoders.cost import costs, costs_text

    chosen = parse_grid(sizes, "--sizes", low=16, high=512, whole=True)
    data = costs([16] if mode.smoke else chosen, 2 if mode.smoke else batch)
    print(costs_text(data))
    chapter.write("encoder_costs", data, mode)
    return 0


@chapter.command
def render(frames: int = 200, threads: str = "1,2", mode: Mode = DEFAULT) -> int:
    """Milliseconds a frame by size and camera, with everything drawn and with what is in sight, and frames a second."""
    from envs.frame_rate import frame_rates, rates_text

    chosen = parse_grid(threads, "--threads", low=1, high=64, whole=True)
    data = frame_rates(5 if mode.smoke else frames, chosen)
    print(rates_text(data))
    chapter.write("frame_rates", data, mode)
    return 0


@chapter.command("all")
def run_all(seeds: str = "0,1", mode: Mode = DEFAULT) -> int:
    """Count, render, Reach three ways, the student, and the comparison."""
    steps = {
        "count": partial(count, mode=mode), "render": partial(render, mode=mode),
        "compare": partial(compare, seeds, mode=mode), "distil": partial(chapter.commands["distil"], mode=mode),
        "push-compare": partial(push_compare, seeds, "distil", mode=mode.private),  # the page shows all arms
    }  # fmt: skip
    return chapter.run_all(steps, mode)


if __name__ == "__main__":
    chapter.main()
