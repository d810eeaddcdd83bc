"""The run's metrics as lines of JSON, beside TensorBoard, so that nothing but a text file is needed to plot them.

`<out>.metrics.jsonl`: `{"kind": "train", "steps": …, "updates": …, "wall_clock_s": …, "rollout/success_rate": …}` as
often as Stable-Baselines3 logs, and `{"kind": "evaluation", …}` with the fields of `reports.Evaluation`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from stable_baselines3.common.logger import KVWriter, Logger, TensorBoardOutputFormat

from analysis.reports import Evaluation
from common.errors import UserError
from common.files import exists, refuse_special


def refuse_if_locked(path: Path) -> None:
    """Raise `UserError` if another process is writing the metric log at `path`, that is, training this run."""
    refuse_special(path)
    if exists(path):
        with open(path, "rb") as file:
            _lock(file, path)


def _lock(file: IO[bytes], path: Path) -> None:
    """Take the run's lock. Raises `UserError` where another process has it, or has put another file in its place."""
    run = path.name.removesuffix(".metrics.jsonl")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"another process is training {run} right now; wait for it or use another --out.") from None
    # Between the opening and the lock the file may have been deleted: then this is the lock of nothing.
    if not (path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())):
        raise UserError(f"another process has just replaced the files of {run}; give the command again.")


class MetricLog(KVWriter):
    """Appends one line for each dump of Stable-Baselines3's logger, and one for each evaluation.

    `keep` is the length in bytes up to which an existing file is kept: what a killed run wrote after its last
    checkpoint will be written again. `clock` gives the training seconds so far, `updates` the gradient updates.
    """

    def __init__(self, path: Path, keep: int, clock: Callable[[], float], updates: Callable[[], int]):
        path.parent.mkdir(parents=True, exist_ok=True)
        refuse_if_locked(path)
        self.file = open(path, "ab")  # noqa: SIM115 - closed with the logger
        # Held until this process ends, however it ends: two processes on one run would spoil each other's files.
        _lock(self.file, path)
        self.cut(keep)
        self.clock, self.updates = clock, updates

    def cut(self, keep: int) -> None:
        """Keep the first `keep` bytes of the file."""
        self.file.truncate(min(keep, self.file.tell()))
        self.file.seek(0, 2)

    def _line(self, row: dict[str, Any]) -> None:
        self.file.write(json.dumps(row, allow_nan=False).encode() + b"\n")
        self.file.flush()

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """One training line; values that are no finite number are left out, since JSON has no NaN."""
        row = {"kind": "train", "steps": step, "updates": self.updates(), "wall_clock_s": round(self.clock(), 3)}
        for key, value in key_values.items():
            if isinstance(value, str) or not hasattr(value, "__float__"):
                continue
            number = float(value)
            if math.isfinite(number):
                row[key] = number
        self._line(row)

    def evaluation(self, result: Evaluation) -> None:
        """One evaluation line."""
        self._line({"kind": "evaluation", **result.model_dump(mode="json")})

    def size(self) -> int:
        """Bytes written so far, on disk."""
        return self.file.tell()

    def close(self) -> None:
        """Close the file; Stable-Baselines3's logger calls this."""
        # Every line was flushed, or said why not; what a full disk refused then it refuses again here.
        with contextlib.suppress(OSError):
            self.file.close()


def open_logger(log: MetricLog, tensorboard: Path | None) -> Logger:
    """Stable-Baselines3's logger on `log`, and on TensorBoard files in the folder `tensorboard` if there is one.

    Raises `UserError` where that folder cannot be written.
    """
    writers: list[KVWriter] = [log]
    if tensorboard is not None:
        try:
            tensorboard.mkdir(parents=True, exist_ok=True)
            writers.append(TensorBoardOutputFormat(str(tensorboard)))
        except OSError as error:
            why = error.strerror or error
            raise UserError(f"cannot write TensorBoard's logs to {tensorboard}: {why}; or --track none.") from None
    return Logger(None if tensorboard is None else str(tensorboard), writers)
