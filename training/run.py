"""A training run: segment by segment learn, evaluate, and commit what was learned."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from analysis.reports import TrainMeta, save
from common.errors import TrainingFailure, UserError
from common.files import disk_trouble_named
from training.setup import PreparedRun

if TYPE_CHECKING:
    from persistence.new_run import NewRun

STOPPED_BY_CALLBACK = "a callback ended the training"


class Run(PreparedRun):
    """A prepared run that trains; whatever stops it, the same settings continue it."""

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
        if self.hooks.all.ended:
            # Perhaps at the segment's last step, which is then neither kept nor learned from.
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
