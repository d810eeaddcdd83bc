"""Starting a run under a name: what must not be lost, and when it replaces an older run.

An older run is deleted only when the first checkpoint of the new one is on the disk, whole, under a temporary name.
Whatever goes wrong before that leaves the folder as it was.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm

from agents.checkpoint import pack
from analysis.reports import TrainMeta, load
from common.errors import UserError
from common.files import check_room, exists, refuse_special, stage
from persistence.metric_log import MetricLog
from persistence.run_files import RunFiles, RunState, record

OURS = re.compile(r"[0-9]{6,}\.npz|\.[0-9]{6,}\.npz\.tmp")
# Adam's two numbers beside each weight come with the first update; and the old checkpoint stands beside the new one.
GROWTH = 4


def replay_files(files: RunFiles) -> tuple[list[Path], list[Path]]:
    """(our own files, others') in the run's folder of replay files."""
    found = sorted(files.replay.iterdir()) if files.replay.is_dir() else []
    ours = [path for path in found if OURS.fullmatch(path.name) and path.is_file()]
    return ours, [path for path in found if path not in ours]


def remove_replay(files: RunFiles) -> None:
    """Delete our own files of the replay, and the folder if nothing else is in it."""
    for path in replay_files(files)[0]:
        path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        files.replay.rmdir()


def refuse_neighbours(files: RunFiles, config_hash: str) -> None:
    """Raise `UserError` where a run without a checkpoint would destroy something that stands beside its name.

    What an earlier try of this very run left behind may go: it was killed before its first checkpoint, or lost it.
    """
    advice = "use another --out or add --overwrite."
    if exists(files.meta):
        meta = load(files.meta, TrainMeta)
        if meta.status == "finished":
            raise UserError(f"{files.meta} describes a finished run whose checkpoint is gone; {advice}")
        if meta.config_hash != config_hash:
            raise UserError(f"{files.meta} describes a run with other settings whose checkpoint is gone; {advice}")
        ours: list[Path] = []
    else:
        ours = [path for path in (files.metrics, files.dump, files.warnings) if exists(path) and path.stat().st_size]
        ours += replay_files(files)[0]
    if kept := ours + replay_files(files)[1]:
        raise UserError(f"{kept[0]} is there and belongs to no run of this name; {advice}")


class NewRun:
    """The beginning of a run; made before any of its files is opened."""

    def __init__(self, files: RunFiles):
        refuse_special(files.metrics)
        self.files = files
        self.had_metrics, self.had_logs = files.metrics.exists(), files.tensorboard.exists()
        self.old_events = set(self._events())

    def _events(self) -> list[Path]:
        return list(self.files.tensorboard.glob("events.out.tfevents.*"))

    def begin(
        self, model: BaseAlgorithm, state: RunState, log: MetricLog, write_meta: Callable[[], object], replay_bytes: int
    ) -> None:
        """Write the first checkpoint and let it take the place of what is there. Raises `UserError`, nothing changed.

        The order counts: at every moment there is the old checkpoint, none, or the new one, and never a checkpoint
        beside the metadata of another run.
        """
        files = self.files
        record(state, model)
        data = pack(model, asdict(state))
        check_room(files.checkpoint.parent, GROWTH * len(data) + replay_bytes)
        staged = stage(files.checkpoint, data)
        try:
            for path in (files.checkpoint, files.dump, files.warnings, *self.old_events):
                path.unlink(missing_ok=True)
            remove_replay(files)
            log.cut(0)
            write_meta()
            os.replace(staged, files.checkpoint)
        except BaseException:
            staged.unlink(missing_ok=True)
            raise

    def abandon(self) -> None:
        """Take back what was opened for a run that did not begin."""
        if not self.had_metrics:
            self.files.metrics.unlink(missing_ok=True)
        for path in set(self._events()) - self.old_events:
            path.unlink(missing_ok=True)
        if not self.had_logs:
            with contextlib.suppress(OSError):
                self.files.tensorboard.rmdir()
