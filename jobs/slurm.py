"""The jobs of a sweep on a Slurm cluster, through submitit, with the same files for their state.

A Slurm job is one job of the sweep. Before its time is up, and when it is preempted, submitit's signal comes: training
saves, the job is requeued, and the same train.py command continues. A training that fails is tried once more inside its
job. `advance` submits what nobody has and asks what became of the rest; it may end at any moment and be called again.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from common.errors import UserError
from common.files import parse_json, write_json
from configs.sweep import Job
from jobs.attempt import Attempt, Busy
from jobs.records import TRIES, add_failure, failures, files_of, set_slurm_id, slurm_id, state_of

# Slurm's own default for the size of an array.
LARGEST_ARRAY = 1000


@dataclass(frozen=True)
class SlurmOptions:
    """What a Slurm job of the sweep asks for. Times are in minutes."""

    time_min: int
    cpus: int
    slots: int | None = None
    max_timeouts: int = 20
    sbatch: dict[str, str] = field(default_factory=dict)


class SlurmTask:
    """What runs inside a Slurm job; submitit pickles it. `folder` is where the sweep was started."""

    def __init__(self, job: Job, folder: str):
        self.job, self.folder = job, folder
        self.attempt: Attempt | None = None

    def __call__(self) -> str:
        """Bring the job to its end; 'finished'. Raises `RuntimeError` where it failed twice."""
        os.chdir(self.folder)
        files = files_of(self.job)
        while True:
            try:
                self.attempt = Attempt(self.job)
            except Busy:
                # What was requeued may start before its earlier process has saved.
                time.sleep(1)
                continue
            outcome = self.attempt.wait()
            if outcome.kind == "finished":
                return "finished"
            if outcome.kind == "interrupted":
                # Slurm ends this job or requeues it. No result is left behind: it would count as the job's end.
                sys.exit(128 + signal.SIGTERM)
            if add_failure(files, outcome.reason, tail=outcome.tail) >= TRIES:
                raise RuntimeError(outcome.reason)

    def checkpoint(self) -> Any:
        """What submitit is to requeue, once the training has saved; called from within a signal handler."""
        from submitit.helpers import DelayedSubmission

        if self.attempt is not None:
            self.attempt.settle()
        return DelayedSubmission(SlurmTask(self.job, self.folder))


def in_queue() -> dict[str, tuple[str, str]]:
    """Slurm id to (state, name of the job), for all that is pending or running. Raises `UserError`: no answer."""
    # Array elements one by one. squeue and not sacct: it needs no accounting, and knows a new job at once.
    line = ["squeue", "--noheader", "--array", "--user", str(os.getuid()), "--format", "%i|%T|%j"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"no Slurm here: {getattr(error, 'strerror', None) or 'squeue does not answer'}.") from None
    if done.returncode:
        raise UserError(f"Slurm does not answer: {(done.stderr.strip().splitlines() or ['no reason given'])[-1]}.")
    rows = (row.split("|", 2) for row in done.stdout.splitlines())
    return {number: (state, name) for number, state, name in rows}


def last_state(number: str) -> str:
    """What Slurm still knows of a job that is no longer in the queue: CANCELLED, TIMEOUT, OUT_OF_MEMORY, …"""
    # The controller forgets a job after some minutes; accounting, where there is any, hears of it a little late.
    asked = (["scontrol", "show", "job", number, "-o"], ["sacct", "-X", "-P", "-j", number, "-o", "State"])
    for line in asked:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            found = subprocess.run(line, capture_output=True, text=True, timeout=60).stdout
            if states := re.findall(r"(?:JobState=|^)([A-Z_]{4,})\b", found, flags=re.M):
                return states[-1]
    return "gone from the queue"


def _executor(folder: Path, name: str, options: SlurmOptions) -> Any:
    import submitit

    try:
        executor = submitit.AutoExecutor(
            folder=folder / "slurm", cluster="slurm", slurm_max_num_timeout=options.max_timeouts
        )
    except RuntimeError as error:
        raise UserError(f"no Slurm here: {error}") from None
    executor.update_parameters(
        name=name, timeout_min=options.time_min, cpus_per_task=options.cpus,
        slurm_array_parallelism=options.slots or LARGEST_ARRAY, slurm_additional_parameters=dict(options.sbatch),
        # srun does not take the number of CPUs over from sbatch.
        slurm_srun_args=[f"--cpus-per-task={options.cpus}"],
    )  # fmt: skip
    return executor


def submit(jobs: Sequence[Job], folder: Path, options: SlurmOptions) -> None:
    """Submit `jobs` as one array and write down which Slurm job has which.

    What is about to be submitted is written first, under a name that no other submission has. A process that dies
    before it can write the ids down leaves this note, and `adopt` finds the jobs by it.
    """
    from submitit.core.utils import FailedJobError

    name = f"{folder.name}-{int(time.time())}-{os.getpid()}"
    executor = _executor(folder, name, options)
    write_json(folder / "submitting.json", {"name": name, "jobs": [job.name for job in jobs]})
    try:
        submitted = executor.submit_array([SlurmTask(job, os.getcwd()) for job in jobs])
    except FailedJobError as error:
        (folder / "submitting.json").unlink()
        lines = [line for line in str(error).splitlines() if "error" in line.lower()]
        raise UserError(f"sbatch refused: {(lines or str(error).splitlines())[-1].strip()}") from None
    for job, slurm_job in zip(jobs, submitted, strict=True):
        set_slurm_id(files_of(job), slurm_job.job_id)
    (folder / "submitting.json").unlink()


def adopt(jobs: Sequence[Job], folder: Path, queue: dict[str, tuple[str, str]]) -> None:
    """Give the jobs that an interrupted submission put into the queue to their runs, or take them out of it."""
    note = folder / "submitting.json"
    if not note.exists():
        return
    try:
        value = parse_json(note.read_bytes())
        name, names = value["name"], value["jobs"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{note} is no file of a sweep; delete it and the same command goes on.") from None
    found = [number for number, (_, job_name) in queue.items() if job_name == name]
    known = {job.name: job for job in jobs}
    for number in found:
        index = int(number.split("_")[1]) if "_" in number else 0
        job = known.get(names[index]) if index < len(names) else None
        if job is not None and (folder / "slurm" / f"{number}_submitted.pkl").exists():
            set_slurm_id(files_of(job), number)
        else:
            # Slurm has it and submitit had not yet told it what to do: it could only fail.
            subprocess.run(["scancel", number], capture_output=True, timeout=60)
    note.unlink()


def advance(jobs: Sequence[Job], folder: Path, options: SlurmOptions) -> dict[str, str]:
    """Submit what is neither finished, nor given up, nor in the queue; the state of every job by name.

    Raises `UserError` where Slurm does not answer or refuses.
    """
    # The queue first: what ends between this look and the next one is then seen as finished by its files.
    queue = in_queue()
    adopt(jobs, folder, queue)
    states, due = {}, []
    for job in jobs:
        files, state = files_of(job), state_of(job)
        number = slurm_id(files)
        if state == "finished":
            files.slurm.unlink(missing_ok=True)
        elif number in queue:
            state = f"{queue[number][0].lower()} ({number})"
        elif number is not None and state != "running":
            source = f"Slurm job {number}"
            if state != "failed" and source not in [failure.source for failure in failures(files)]:
                add_failure(files, f"{source} ended before the run did: {last_state(number)}", source)
            files.slurm.unlink()
            state = state_of(job)
        if state in ("waiting", "interrupted"):
            due.append(job)
        states[job.name] = state
    for first in range(0, len(due), LARGEST_ARRAY):
        submit(due[first : first + LARGEST_ARRAY], folder, options)
    if due:
        queue = in_queue()
        for job in due:
            number = slurm_id(files_of(job))
            states[job.name] = f"{queue.get(number, ('submitted', ''))[0].lower()} ({number})"
    return states
