"""A run before its first step: task, environments, learner and callbacks, brought to where an earlier run stood.

PyTorch is imported inside the functions: `train.py` answers to `--help` and to mistakes before there is a need for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from common import provenance
from common.errors import UserError
from common.files import check_room, check_writable
from configs.recipes import Resolved

if TYPE_CHECKING:
    from stable_baselines3.common.callbacks import BaseCallback


class PreparedRun:
    """One training run: its task, its model, its files, its clock, and what watches it.

    Raises `UserError` on whatever can be known to be wrong before the first step.
    """

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
        from envs.make import GOAL_KEYS, is_goal_conditioned
        from wrappers.hindsight import check_relabelling

        with contextlib.closing(self.task.make()) as probe:
            check_observations(probe.observation_space, self.settings["env"])
            if self.settings["her"]:
                if not is_goal_conditioned(probe):
                    shown, what = getattr(probe.observation_space, "spaces", {}), self.task.describe()
                    missing = ", ".join(key for key in GOAL_KEYS if key not in shown) or "reward of other goals"
                    raise UserError(f"--her needs a goal-conditioned task; {what} shows no {missing}.")
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
