"""Train a policy, or continue a run that was interrupted: the same command does both.

    python train.py --algo sac --her --env FetchReach-v4 --seed 0 --out checkpoints/first

Writes `<out>.zip` (stock Stable-Baselines3 loads it), `<out>.meta.json`, `<out>.metrics.jsonl`, TensorBoard logs under
`runs/`, and until the run is finished `<out>.replay/`. PyTorch is imported only once there is something to train, so
that `--help` and mistakes answer at once.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from analysis.compare import format_rate
from analysis.reports import Evaluation, TrainMeta, load, save
from common import provenance
from common.cli import guarded, parse
from common.errors import TrainingFailure, UserError
from common.files import check_writable
from common.renamed import today
from configs.recipes import Resolved, resolve
from configs.train_config import TrainConfig

__all__ = ["TrainConfig", "main", "run"]
PROTOCOL = "deterministic policy, {n} held-out episodes from seed 1500000000 on, success at the last step"


class Run:
    """One training run: its model, its files, its clock."""

    def __init__(self, resolved: Resolved):
        from agents.build import build, choose_device
        from agents.segments import segment_lengths
        from envs.make import episode_length, is_goal_conditioned, make_env
        from envs.vector import make_vec_env
        from persistence.run_files import RunFiles, RunState, resume

        self.settings, self.resolved, config = resolved.settings, resolved, resolved.config
        self.files = RunFiles(Path(config.out))
        self.state = RunState(config_hash=provenance.config_hash(self.settings))
        self.total, self.segment = segment_lengths(self.settings, episode_length(config.env))
        self.device = choose_device(config.device)
        with contextlib.closing(make_env(config.env)) as probe:
            self.goals = is_goal_conditioned(probe)
        if config.her and not self.goals:
            raise UserError(f"--her needs a goal-conditioned task; {config.env} has no achieved and desired goal.")
        # Roughly 300 bytes of replay for a transition of the Fetch tasks.
        replay_bytes = 300 * min(self.total, self.settings.get("buffer_size", 0))
        check_writable(self.files.checkpoint, need_bytes=replay_bytes)
        self.resuming = self._continues_earlier_run(config.overwrite)
        self.env = make_vec_env(config.env, self.settings["n_envs"], self.settings["vec_env"])
        try:
            self.model = build(self.settings, self.env, self.device)
            if self.resuming:
                resume(self.files, self.model, self.state)
                self.state.resumed += 1
        except MemoryError:
            self.env.close()
            raise UserError("not enough memory for these settings; take a smaller --buffer-size.") from None
        except BaseException:
            self.env.close()
            raise
        self.training_before, self.wall_before = self.state.training_s, self.state.wall_clock_s
        self.started, self.paused_s = time.monotonic(), 0.0

    def _continues_earlier_run(self, overwrite: bool) -> bool:
        """Whether there is a run of this name to continue. Raises `UserError` where that needs the user's word."""
        from persistence.metric_log import refuse_if_locked
        from persistence.run_files import load_state

        files = self.files
        refuse_if_locked(files.metrics)
        if overwrite or not files.checkpoint.exists():
            return False
        if not files.meta.exists():
            raise UserError(f"{files.checkpoint} exists and is no run of ours; use another --out or add --overwrite.")
        meta = load(files.meta, TrainMeta)
        old, new = today(meta.config), self.settings
        changed = [f"{k}: {old.get(k)} -> {new.get(k)}" for k in sorted(old | new) if old.get(k) != new.get(k)]
        if changed:
            what = ", ".join(changed)
            raise UserError(f"{files.checkpoint} has other settings ({what}); use another --out or add --overwrite.")
        if meta.status == "finished":
            raise UserError(f"{files.checkpoint} is a finished run of {meta.steps} steps; add --overwrite to redo it.")
        self.state = load_state(files)
        if self.state.config_hash != provenance.config_hash(new):
            raise UserError(f"{files.checkpoint} is not the run that {files.meta.name} describes; add --overwrite.")
        return True

    def training_s(self) -> float:
        """Seconds of training so far, evaluations and checkpoints not counted."""
        return self.training_before + time.monotonic() - self.started - self.paused_s

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Time spent inside does not count as training."""
        began = time.monotonic()
        yield
        self.paused_s += time.monotonic() - began

    def meta(self, status: str, message: str | None = None) -> TrainMeta:
        """The metadata as of the last checkpoint."""
        from agents.checkpoint import weights_sha256

        state, settings, seconds = self.state, self.settings, self.state.training_s
        common = provenance.metadata(
            settings, status=status, env_id=settings["env"], seeds=[settings["seed"]], device=self.device,
            n_envs=settings["n_envs"], wall_clock_s=round(state.wall_clock_s, 3),
            steps_per_second=round(state.steps / seconds, 2) if seconds else None,
            updates_per_second=round(state.updates / seconds, 2) if seconds else None,
            evaluation_protocol=(
                PROTOCOL.format(n=settings["eval_episodes"]) if settings["eval_every"] and self.goals else None
            ),
        )  # fmt: skip
        return TrainMeta(
            **common, sources=self.resolved.sources, recipe=self.resolved.recipe, total_steps=self.total,
            steps=state.steps, updates=state.updates, resumed=state.resumed, message=message,
            weights_sha256=weights_sha256(self.model.policy) if status == "finished" else None,
            evaluations=[Evaluation(**row) for row in state.evaluations],
        )  # fmt: skip

    def commit(self, position_before: int) -> None:
        """Make what was learned so far the run's checkpoint, then say so in the metadata."""
        from persistence.run_files import save as save_checkpoint

        with self.paused():
            self.state.training_s = self.training_s()
            self.state.wall_clock_s = self.wall_before + time.monotonic() - self.started
            self.state.metric_bytes = self.log.size()
            save_checkpoint(self.files, self.model, self.state, position_before)
            save(self.files.meta, self.meta("running"))

    def evaluate_if_due(self, steps_before: int) -> None:
        """Evaluate where this segment passed a multiple of `eval_every`, and at the end of the run."""
        from callbacks.evaluation import evaluate

        every, steps = self.settings["eval_every"], self.model.num_timesteps
        if not every or not self.goals or (steps // every == steps_before // every and steps < self.total):
            return
        seconds = self.training_s()
        with self.paused():
            result = evaluate(
                self.model.policy, self.settings["env"], self.settings["eval_episodes"], steps, self.model._n_updates,
                seconds, self.signals.check,
            )  # fmt: skip
        self.state.evaluations = [*self.state.evaluations, result.model_dump(mode="json")]
        self.log.evaluation(result)
        self.progress.say(f"  {steps:,} steps: evaluation {format_rate(result.success)}")

    def one_segment(self, callbacks: list[Any]) -> None:
        """Train for one segment, evaluate if that is due, and commit."""
        from agents.segments import begin_segment, close_open_episodes, falling_rate
        from persistence import replay_log

        model, before = self.model, self.model.num_timesteps
        position = replay_log.position(getattr(model, "replay_buffer", None))
        begin_segment(model, self.settings["seed"], self.state.segment)
        log_interval = 1 if self.settings["algo"] == "ppo" else self.settings["n_envs"]
        steps = min(self.segment, self.total - before)
        rate, end_factor = self.settings["learning_rate"], self.settings["learning_rate_end_factor"]
        model.lr_schedule = falling_rate(rate, end_factor, before + steps, self.total)
        model.learn(steps, callback=callbacks, log_interval=log_interval, reset_num_timesteps=False)
        close_open_episodes(model)
        # What the last update logged belongs to this segment: a continued run would not know it any more.
        model.logger.dump(model.num_timesteps)
        self.state.segment += 1
        self.evaluate_if_due(before)
        self.commit(position)

    def train(self) -> TrainMeta:
        """Run the segments that are left; the metadata says finished or interrupted.

        Raises `TrainingFailure` where learning cannot go on, and `UserError` where the disk is full.
        """
        try:
            return self._train()
        except BrokenPipeError:
            raise
        except OSError as error:
            where = self.files.checkpoint
            raise UserError(
                f"cannot go on writing beside {where}: {error.strerror or error}. Free some space."
            ) from error

    def _train(self) -> TrainMeta:
        from callbacks.nan_guard import NanGuard
        from callbacks.progress import Progress
        from callbacks.stop import Interrupted, StopOnSignal, StopSignals
        from persistence.metric_log import MetricLog, open_logger

        files, model = self.files, self.model
        # First: it holds the lock of this run's files.
        self.log = MetricLog(files.metrics, self.state.metric_bytes, self.training_s, lambda: model._n_updates)
        if not self.resuming and self.resolved.config.overwrite:
            # Not before: whatever is wrong with the new run, the old one is kept until the new one can start.
            files.remove()
        model.set_logger(open_logger(self.log, files.tensorboard if self.resolved.config.track == "tb" else None))
        self.progress = Progress(self.total, model.num_timesteps)
        guard = NanGuard(files.dump)
        status, message = "finished", None
        with StopSignals() as self.signals:
            try:
                if not self.resuming:
                    # Before the first step: a place that cannot be written shows now, and a checkpoint exists always.
                    # The metadata first: a checkpoint without it would be taken for a stranger's.
                    save(files.meta, self.meta("running"))
                    self.commit(0)
                callbacks = [StopOnSignal(self.signals), guard, self.progress]
                while model.num_timesteps < self.total:
                    self.signals.check()
                    self.one_segment(callbacks)
            except Interrupted as stop:
                status, message = "interrupted", str(stop)
            except (TrainingFailure, ValueError, FloatingPointError) as error:
                if isinstance(error, UserError):
                    raise
                guard.keep()
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                save(files.meta, self.meta("failed", reason))
                raise TrainingFailure(f"{reason}. Last good checkpoint: {files.checkpoint}") from error
            finally:
                self.progress.close()
                self.env.close()
                model.logger.close()
            meta = self.meta(status, message)
            save(files.meta, meta)
        if status == "finished":
            shutil.rmtree(files.replay, ignore_errors=True)
        return meta


def resolved_for(config: TrainConfig) -> Resolved:
    """All settings of `config`, after a check that its environment exists."""
    from envs.make import episode_length

    return resolve(config, episode_length(config.env) or 50)


def prepare(resolved: Resolved) -> Run:
    """Everything up to the first step. Raises `UserError` on whatever can be known to be wrong by then."""
    import torch

    torch.set_num_threads(resolved.settings["threads"])
    return Run(resolved)


def run(config: TrainConfig) -> TrainMeta:
    """Train as `config` says and return the metadata that was written. Raises `UserError` and `TrainingFailure`."""
    return prepare(resolved_for(config)).train()


def describe(resolved: Resolved) -> str:
    """The settings by where each came from."""
    groups: dict[str, list[str]] = {}
    for key, source in resolved.sources.items():
        groups.setdefault(source, []).append(f"{key}={resolved.settings[key]}")
    recipe = f" ({resolved.recipe})" if resolved.recipe else ""
    names = {"flag": "flags", "recipe": f"recipe{recipe}", "default": "defaults"}
    return "\n".join(f"  {names.get(source, source)}: {', '.join(items)}" for source, items in groups.items())


def evaluation_command(out: str, env: str) -> str:
    """What to type next: the evaluation of this checkpoint, as it is typed outside of the container."""
    prefix = "bash docker/dev.sh " if os.environ.get("ROBOTICS_RL_DEV") else ""
    name = Path(out).name
    return (
        f"{prefix}python eval.py --ckpt {shlex.quote(out)}.zip --env {env} --n-episodes 100 --seeds 0-99 "
        f"--deterministic --json-out results/{shlex.quote(name)}_eval.json"
    )


def _train_and_tell(config: TrainConfig, say: Callable[[str], None] = print) -> int:
    resolved = resolved_for(config)
    out, this = resolved.config.out, prepare(resolved)
    say(f"{config.algo.upper()}{' + HER' if config.her else ''} on {config.env}, seed {config.seed}, to {out}.zip")
    say(describe(resolved))
    if resolved.recipe is None:
        say("  no recipe was measured for this task and algorithm: the defaults may teach little")
    if this.goals and 0 < this.settings["eval_every"] < this.segment:
        say(f"  evaluations come with checkpoints, every {this.segment:,} steps; --checkpoint-every sets both")
    if this.resuming:
        say(f"  continuing at {this.state.steps:,} of {this.total:,} steps")
    meta = this.train()
    if meta.status == "interrupted":
        how = "the same command without --overwrite" if config.overwrite else "the same command"
        say(f"interrupted: {out}.zip holds {meta.steps:,} of {meta.total_steps:,} steps; {how} continues.")
        return 128 + signal.Signals[meta.message].value
    rate = f", {meta.steps_per_second:.0f} steps/s" if meta.steps_per_second else ""
    say(f"finished: {meta.steps:,} steps, {meta.updates:,} updates in {meta.wall_clock_s:.0f} s{rate} -> {out}.zip")
    if this.goals:
        say(f"Evaluate it:\n  {evaluation_command(out, config.env)}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 finished, 1 failed, 2 a mistake, 130 or 143 interrupted by a signal."""
    return guarded(lambda: _train_and_tell(parse(TrainConfig, argv, prog="train.py")))


if __name__ == "__main__":
    sys.exit(main())
