"""Train a policy, or continue a run that was interrupted: the same command does both.

    python train.py --algo sac --her --env FetchReach-v4 --seed 0 --out checkpoints/first

Writes `<out>.zip` (stock Stable-Baselines3 loads it), `<out>.meta.json`, `<out>.metrics.jsonl`, TensorBoard logs under
`runs/`, and until the run is finished `<out>.replay/`. PyTorch is imported only once there is something to train, so
that `--help` and mistakes answer at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analysis.reports import TrainMeta, save
from common import provenance
from common.cli import guarded, parse
from common.errors import TrainingFailure, UserError
from common.files import check_room, check_writable, disk_trouble_named
from common.openmp import spin_briefly
from configs.described import all_settings, evaluation_command, in_one_line
from configs.recipes import Resolved, of_task, resolve
from configs.train_config import TrainConfig

# Before anything imports PyTorch, which reads this once.
spin_briefly()

if TYPE_CHECKING:
    from stable_baselines3.common.callbacks import BaseCallback

    from persistence.new_run import NewRun

__all__ = ["TrainConfig", "main", "run"]
STOPPED_BY_CALLBACK = "a callback ended the training"


class Run:
    """One training run: its task, its model, its files, its clock, and what watches it."""

    def __init__(self, resolved: Resolved, callbacks: Iterable[BaseCallback] = ()):
        from agents.build import choose_device
        from agents.segments import segment_lengths
        from envs.task import Task
        from persistence.clock import Clock
        from persistence.earlier_run import earlier_run
        from persistence.run_files import RunFiles, RunState

        self.settings, self.resolved, config = resolved.settings, resolved, resolved.config
        self.files = RunFiles(Path(config.out))
        self.task = Task.of_settings(self.settings)
        self.total, self.segment = segment_lengths(self.settings, self.task.episode_length)
        self.device = choose_device(config.device)
        self.goals = self._has_goals()
        check_writable(self.files.checkpoint)
        self.found = self.files.signature()
        earlier = earlier_run(self.files, self.settings, config.overwrite)
        self.resuming = earlier is not None
        self.state = earlier or RunState(config_hash=provenance.config_hash(self.settings))
        self._build(callbacks)
        self.clock = Clock(self.state.training_s, self.state.wall_clock_s)

    def _has_goals(self) -> bool:
        """Whether success is defined on the task. Raises `UserError` where hindsight was asked for and cannot work."""
        from agents.build import check_observations
        from envs.make import is_goal_conditioned
        from wrappers.hindsight import check_relabelling

        with contextlib.closing(self.task.make()) as probe:
            check_observations(probe.observation_space, self.settings["env"])
            if self.settings["her"]:
                if not is_goal_conditioned(probe):
                    what = self.task.describe()
                    raise UserError(f"--her needs a goal-conditioned task; {what} has no achieved and desired goal.")
                if self.task.wrappers:
                    check_relabelling(probe)
            # What a wrapper shows the policy is another matter.
            return is_goal_conditioned(probe.unwrapped)

    def _build(self, callbacks: Iterable[BaseCallback]) -> None:
        """Environments, learner and callbacks, brought to where an earlier run stood."""
        from agents.build import build
        from agents.replay_protocol import disk_bytes
        from callbacks.base import Hooks
        from persistence.run_files import resume

        self.env = self.task.make_vec(self.settings["n_envs"], self.settings["vec_env"])
        try:
            self.model = build(self.settings, self.env, self.device)
            self.hooks = Hooks([*self._own_callbacks(), *callbacks], self.model)
            if self.resuming:
                resume(self.files, self.model, self.state)
                self.hooks.load(self.state.callbacks)
                self.state.resumed += 1
            self.replay_bytes = disk_bytes(self.model, self.total - self.model.num_timesteps)
            check_room(self.files.checkpoint.parent, self.replay_bytes)
        except MemoryError:
            self.env.close()
            raise UserError("not enough memory for these settings; take a smaller --buffer-size.") from None
        except BaseException:
            self.env.close()
            raise

    def _own_callbacks(self) -> list[BaseCallback]:
        """What watches every run."""
        from callbacks.busy import BusyMachine
        from callbacks.early_warning import EarlyWarning
        from callbacks.evaluation import LogEvaluations
        from callbacks.nan_guard import NanGuard
        from callbacks.progress import Progress
        from callbacks.stop import StopOnSignal, StopSignals

        self.signals, self.guard = StopSignals(), NanGuard(self.files.dump)
        self.progress = Progress(self.total, self.state.steps)
        own = [StopOnSignal(self.signals), self.guard, LogEvaluations(), self.progress]
        if self.settings["algo"] == "ppo":
            own.append(EarlyWarning(str(self.files.warnings)))
        if self.settings["vec_env"] != "subproc":
            # Worker processes of our own would be taken for other programs.
            own.append(BusyMachine(self.progress.say, self.settings["threads"]))
        return own

    def train(self) -> TrainMeta:
        """Run the segments that are left; the metadata says finished or interrupted.

        Raises `TrainingFailure` where learning cannot go on, and `UserError` where the disk is full.
        """
        from persistence.new_run import remove_replay

        with disk_trouble_named(self.files.checkpoint), self.signals:
            with self._opened():
                status, message = self._until_done()
            meta = self._write_meta(status, message)
        if status == "finished":
            remove_replay(self.files)
        return meta

    @contextlib.contextmanager
    def _opened(self) -> Iterator[None]:
        """Locks the run's files and opens its logs; closes them, the progress bar and the environments."""
        from persistence.metric_log import MetricLog, open_logger
        from persistence.new_run import NewRun

        files, track = self.files, self.resolved.config.track
        new = None if self.resuming else NewRun(files)
        try:
            # First: it holds the lock of this run's files. All that is in it is kept until it is clear whose it is.
            self.log = MetricLog(files.metrics, sys.maxsize, self.clock.training, lambda: self.model._n_updates)
            try:
                if files.signature() != self.found:
                    raise UserError(f"another process has just written {files.checkpoint}; give the command again.")
                self.model.set_logger(open_logger(self.log, files.tensorboard if track == "tb" else None))
                if new is None:
                    self.log.cut(self.state.metric_bytes)
                else:
                    self._begin(new)
            except BaseException:
                self.log.close()
                if new is not None:
                    new.abandon()
                raise
            yield
        finally:
            self.progress.close()
            self.env.close()
            self.model.logger.close()

    def _begin(self, new: NewRun) -> None:
        """Write the first checkpoint, before the first step; it takes the place of an older run, or nothing changes."""
        with self.clock.paused():
            self.state.callbacks = self.hooks.states()
            new.begin(
                self.model, self.state, self.log, functools.partial(self._write_meta, "running"), self.replay_bytes
            )

    def _until_done(self) -> tuple[str, str | None]:
        """Train segment by segment; (status, why it ended early). Raises `TrainingFailure`, the metadata written."""
        from callbacks.stop import Interrupted

        try:
            while self.model.num_timesteps < self.total:
                self.signals.check()
                self._one_segment()
        except Interrupted as stop:
            return "interrupted", str(stop)
        except UserError:
            raise
        except (TrainingFailure, ValueError, FloatingPointError) as error:
            self.guard.keep()
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            self._write_meta("failed", reason)
            raise TrainingFailure(f"{reason}. Last good checkpoint: {self.files.checkpoint}") from error
        return "finished", None

    def _one_segment(self) -> None:
        """Train for one segment, evaluate if that is due, and commit."""
        from agents.replay_protocol import durable
        from agents.segments import begin_segment, close_open_episodes, falling_rate
        from callbacks.evaluation import evaluation_due
        from callbacks.stop import Interrupted

        model, settings, before = self.model, self.settings, self.model.num_timesteps
        replay = durable(model)
        position = 0 if replay is None else replay.position()
        begin_segment(model, settings["seed"], self.state.segment)
        self.hooks.segment_start(self.state.segment)
        steps = min(self.segment, self.total - before)
        rate, end_factor = settings["learning_rate"], settings["learning_rate_end_factor"]
        model.lr_schedule = falling_rate(rate, end_factor, before + steps, self.total)
        log_interval = 1 if settings["algo"] == "ppo" else settings["n_envs"]
        model.learn(steps, callback=self.hooks.all, log_interval=log_interval, reset_num_timesteps=False)
        if model.num_timesteps < before + steps:
            raise Interrupted(STOPPED_BY_CALLBACK)
        close_open_episodes(model)
        # What the last update logged belongs to this segment: a continued run would not know it any more.
        model.logger.dump(model.num_timesteps)
        self.state.segment += 1
        steps, updates = model.num_timesteps, model._n_updates
        if self.goals and evaluation_due(settings["eval_every"], before, steps, self.total, updates):
            self._evaluate()
        self._commit(position)

    def _evaluate(self) -> None:
        """Measure the policy on held-out episodes and tell every callback."""
        from callbacks.evaluation import evaluate

        model, settings, seconds = self.model, self.settings, self.clock.training()
        with self.clock.paused():
            result = evaluate(
                model.policy, self.task.for_evaluation(), settings["eval_episodes"], model.num_timesteps,
                model._n_updates, seconds, self.signals.check,
            )  # fmt: skip
            self.state.evaluations = [*self.state.evaluations, result.model_dump(mode="json")]
            self.hooks.evaluation(result)

    def _commit(self, position_before: int) -> None:
        """Make what was learned so far the run's checkpoint, then say so in the metadata."""
        from persistence.run_files import save as save_checkpoint

        with self.clock.paused():
            self.state.training_s, self.state.wall_clock_s = self.clock.training(), self.clock.wall()
            self.state.metric_bytes = self.log.size()
            self.state.callbacks = self.hooks.states()
            save_checkpoint(self.files, self.model, self.state, position_before)
            self._write_meta("running")

    def _write_meta(self, status: str, message: str | None = None) -> TrainMeta:
        """Write and return the metadata as of the last checkpoint."""
        from persistence.run_meta import run_meta

        evaluated = self.goals and self.settings["eval_every"] > 0
        meta = run_meta(self.resolved, self.state, self.model, self.total, evaluated, status, message)
        save(self.files.meta, meta)
        return meta


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
