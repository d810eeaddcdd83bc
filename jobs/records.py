"""The state of a job, read from its files: progress, failures, and whether a process is working on it.

Nothing is kept in memory that is not in a file, so that any process may end at any moment and another one go on.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from pydantic import Field, ValidationError

from analysis.reports import EvalReport, Record, TrainMeta, load
from common.errors import UserError
from common.files import beside, meta_path, parse_json, sha256, write_json
from configs.sweep import Job

# One retry: what fails twice at the same place would fail again.
TRIES = 2
State = Literal["finished", "running", "failed", "interrupted", "waiting"]


class Failure(Record):
    """One try that did not end well, and what its log said last."""

    at: str
    reason: str
    source: str = Field(description="'process', or the Slurm job that ended")
    tail: list[str] = Field(default=[], description="the log's last lines")


class Failures(Record):
    """`<out>.job.json`: all tries that failed since the run began, or since `--retry`."""

    failures: list[Failure] = []


class SlurmRecord(Record):
    """`<out>.slurm.json`: the Slurm job that has this run, until it is finished or given up."""

    job_id: str


@dataclass(frozen=True)
class JobFiles:
    """Where a job keeps what, beside the files of its training run."""

    out: Path

    @property
    def checkpoint(self) -> Path:
        """The policy."""
        return beside(self.out, ".zip")

    @property
    def meta(self) -> Path:
        """Metadata of the training run."""
        return meta_path(self.checkpoint)

    @property
    def evaluation(self) -> Path:
        """Report of the final evaluation."""
        return beside(self.out, ".eval.json")

    @property
    def failures(self) -> Path:
        """Tries that failed."""
        return beside(self.out, ".job.json")

    @property
    def slurm(self) -> Path:
        """The Slurm job that has this run."""
        return beside(self.out, ".slurm.json")

    @property
    def log(self) -> Path:
        """What its processes printed, all tries one after another."""
        return beside(self.out, ".log")

    @property
    def lock(self) -> Path:
        """Held while somebody is at work on it."""
        return beside(self.out, ".lock")


def files_of(job: Job) -> JobFiles:
    """The files of a job of a sweep."""
    return JobFiles(Path(str(job.config.out)))


def take_lock(path: Path) -> IO[bytes] | None:
    """An open file that holds the lock until it is closed or its process ends; None where another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = open(path, "ab")  # noqa: SIM115 - open as long as the lock is held
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    # Deleted between the opening and the lock, it would be the lock of nothing.
    try:
        same = os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        same = False
    if not same:
        file.close()
        return take_lock(path)
    return file


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold the folder of a sweep. Raises `UserError` where another sweep has it."""
    lock = take_lock(folder / ".lock")
    if lock is None:
        raise UserError(f"another sweep is at work in {folder}; wait for it, or give this one another name.")
    with lock:
        yield


def _is_locked(path: Path) -> bool:
    if not path.exists():
        return False
    lock = take_lock(path)
    if lock is None:
        return True
    lock.close()
    return False


def _read(path: Path, model: Any) -> Any:
    try:
        return model.model_validate(parse_json(path.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError):
        raise UserError(f"{path} is no file of a sweep; delete it and the same command goes on.") from None


def failures(files: JobFiles) -> list[Failure]:
    """The tries that failed so far."""
    record = _read(files.failures, Failures)
    return record.failures if record else []


def add_failure(files: JobFiles, reason: str, source: str = "process", tail: tuple[str, ...] = ()) -> int:
    """Write down one more; returns how many there are now."""
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    known = [*failures(files), Failure(at=now, reason=reason, source=source, tail=list(tail))]
    write_json(files.failures, Failures(failures=known).model_dump(mode="json"))
    return len(known)


def slurm_id(files: JobFiles) -> str | None:
    """The Slurm job that has this run, None where none has."""
    record = _read(files.slurm, SlurmRecord)
    return record.job_id if record else None


def set_slurm_id(files: JobFiles, job_id: str) -> None:
    """Write down which Slurm job has this run."""
    write_json(files.slurm, SlurmRecord(job_id=job_id).model_dump(mode="json"))


def meta_of(files: JobFiles) -> TrainMeta | None:
    """Metadata of the training run as of its last checkpoint, None where it has not begun."""
    return load(files.meta, TrainMeta) if files.meta.exists() else None


def evaluation_of(job: Job) -> EvalReport | None:
    """The report of this very checkpoint on these very episodes; None where that is still to be made."""
    files = files_of(job)
    if not (files.evaluation.exists() and files.checkpoint.exists()):
        return None
    report = load(files.evaluation, EvalReport)
    same = report.seeds == list(job.eval_seeds) and report.checkpoint_sha256 == sha256(files.checkpoint.read_bytes())
    return report if same else None


def state_of(job: Job) -> State:
    """How far a job is, by its files alone."""
    files = files_of(job)
    meta = meta_of(files)
    if meta is not None and meta.status == "finished" and evaluation_of(job) is not None:
        return "finished"
    if _is_locked(files.lock):
        return "running"
    if len(failures(files)) >= TRIES:
        return "failed"
    return "waiting" if meta is None else "interrupted"
