"""Train a policy, or continue a run that was interrupted: the same command does both.

    python train.py --algo sac --her --env FetchReach-v4 --seed 0 --out checkpoints/first

Writes `<out>.zip` (stock Stable-Baselines3 loads it), `<out>.meta.json`, `<out>.metrics.jsonl`, TensorBoard logs under
`runs/`, and until the run is finished `<out>.replay/`. PyTorch is imported only once there is something to train, so
that `--help` and mistakes answer at once.
"""

from __future__ import annotations

import dataclasses
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from analysis.reports import TrainMeta
from common.cli import guarded, parse
from common.openmp import spin_briefly
from configs.described import all_settings, evaluation_command, in_one_line
from configs.recipes import Resolved, of_task, resolve
from configs.train_config import TrainConfig
from training.run import STOPPED_BY_CALLBACK, Run

# Before anything imports PyTorch, which reads this once.
spin_briefly()

if TYPE_CHECKING:
    from stable_baselines3.common.callbacks import BaseCallback

__all__ = ["TrainConfig", "main", "run"]


def resolved_for(config: TrainConfig) -> Resolved:
    """All settings of `config`, after a check that its environment and wrappers exist."""
    from envs.task import Task

    asked = of_task(config)
    task = Task(config.env, asked["wrap"], asked["env_option"])
    resolved = resolve(config, task.episode_length or 50)
    # As the registries write them: `lowpass` and `lowpass:alpha=0.5` are the same setting.
    return dataclasses.replace(resolved, settings=resolved.settings | task.settings() | _named(resolved.settings))


def _named(settings: dict[str, Any]) -> dict[str, str]:
    """Encoder and augmentation with every argument written out, where there are any. Raises `UserError`."""
    found = {}
    if "encoder" in settings:
        from agents.networks import ENCODERS

        found["encoder"] = ENCODERS.canonical(settings["encoder"])
    if "augment" in settings:
        from agents.augmentations import AUGMENTATIONS

        found["augment"] = AUGMENTATIONS.canonical(settings["augment"])
    return found


def prepare(resolved: Resolved, callbacks: Iterable[BaseCallback] = ()) -> Run:
    """Everything up to the first step. Raises `UserError` on whatever can be known to be wrong by then."""
    import torch

    torch.set_num_threads(resolved.settings["threads"])
    return Run(resolved, callbacks)


def run(config: TrainConfig, callbacks: Iterable[BaseCallback] = ()) -> TrainMeta:
    """Train as `config` says and return the metadata that was written. Raises `UserError` and `TrainingFailure`.

    `callbacks` are Stable-Baselines3's or, to hear of segments and evaluations and to keep a state that a continued run
    restores, `callbacks.base.RunCallback`s.
    """
    return prepare(resolved_for(config), callbacks).train()


def _train_and_tell(config: TrainConfig, say: Callable[[str], None] = print) -> int:
    resolved = resolved_for(config)
    out, this = resolved.config.out, prepare(resolved)
    say(f"{config.algo.upper()}{' + HER' if config.her else ''} on {config.env}, seed {config.seed}, to {out}.zip")
    say(all_settings(resolved) if config.show_settings else in_one_line(resolved))
    if resolved.recipe is None:
        say("  no recipe was measured for this task and algorithm: settings left open may teach little")
    if this.goals and 0 < this.settings["eval_every"] < this.segment:
        say(f"  evaluations come with checkpoints, every {this.segment:,} steps; --checkpoint-every sets both")
    if this.goals and this.settings["eval_every"]:
        say("  exploring: the last 100 training episodes, with random actions mixed in; evaluation: the policy alone")
    if this.resuming:
        say(f"  continuing at {this.state.steps:,} of {this.total:,} steps")
    meta = this.train()
    if meta.message == STOPPED_BY_CALLBACK:
        say(f"{meta.message}: {out}.zip holds {meta.steps:,} of {meta.total_steps:,} steps.")
        return 1
    if meta.status == "interrupted":
        how = "the same command without --overwrite" if config.overwrite else "the same command"
        say(f"interrupted: {out}.zip holds {meta.steps:,} of {meta.total_steps:,} steps; {how} continues.")
        return 128 + signal.Signals[meta.message].value
    rate = f", {meta.steps_per_second:.0f} steps/s" if meta.steps_per_second else ""
    say(f"finished: {meta.steps:,} steps, {meta.updates:,} updates in {meta.wall_clock_s:.0f} s{rate} -> {out}.zip")
    if this.goals:
        named = [*resolved.config.wrap, *([resolved.settings["encoder"]] if "encoder" in resolved.settings else [])]
        say(f"Evaluate it:\n  {evaluation_command(out, config.env, named)}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 finished, 1 failed, 2 a mistake, 130 or 143 interrupted by a signal."""
    return guarded(lambda: _train_and_tell(parse(TrainConfig, argv, prog="train.py")))


if __name__ == "__main__":
    sys.exit(main())
