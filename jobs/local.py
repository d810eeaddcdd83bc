"""The jobs of a sweep on this machine: a queue with a number of slots.

The queue holds nothing that is not in a file: when it ends, however it ends, the same command goes on.
"""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Sequence

from common.errors import UserError
from common.signals import StopSignals
from configs.sweep import Job
from jobs.attempt import Attempt, Busy, Outcome
from jobs.records import TRIES, add_failure, files_of, slurm_id, state_of


class Queue:
    """Runs jobs, at most `slots` at once, each until it is finished or has failed twice."""

    def __init__(self, jobs: Sequence[Job], slots: int, say: Callable[[str], None] = print, interval: float = 0.2):
        self.waiting = deque(jobs)
        self.slots, self.say, self.interval = slots, say, interval
        self.running: list[Attempt] = []
        self.told_busy: set[str] = set()

    def run(self) -> int | None:
        """Work until nothing is left; the signal that stopped it, if one did."""
        with StopSignals() as signals:
            asked = False
            while self.waiting or self.running:
                if signals.caught is not None and not asked:
                    asked = True
                    self.waiting.clear()
                    for attempt in self.running:
                        attempt.stop(signals.caught)
                self._fill()
                self._collect()
                if self.waiting or self.running:
                    time.sleep(self.interval)
            return signals.caught

    def _fill(self) -> None:
        """Start jobs while there are slots; one that another process holds goes to the end of the queue."""
        for _ in range(len(self.waiting)):
            if len(self.running) >= self.slots:
                return
            job = self.waiting.popleft()
            try:
                attempt = Attempt(job)
            except Busy:
                if job.name not in self.told_busy:
                    self.say(f"{job.name}: another process is at work on it; waiting")
                self.told_busy.add(job.name)
                self.waiting.append(job)
                continue
            self.running.append(attempt)
            if attempt.process is not None:
                self.say(f"{job.name}: {attempt.program} (process {attempt.process.pid})")

    def _collect(self) -> None:
        for attempt in list(self.running):
            before = attempt.program
            outcome = attempt.poll()
            if outcome is not None:
                self.running.remove(attempt)
                self._ended(attempt, outcome)
            elif attempt.program != before and attempt.process is not None:
                self.say(f"{attempt.job.name}: {attempt.program} (process {attempt.process.pid})")

    def _ended(self, attempt: Attempt, outcome: Outcome) -> None:
        name = attempt.job.name
        # A signal from elsewhere counts as a failure: nobody asked the sweep, and it must not go on for ever.
        if outcome.kind == "finished" or attempt.asked is not None:
            self.say(f"{name}: {outcome.kind}")
            return
        times = add_failure(attempt.files, outcome.reason, tail=outcome.tail)
        if times < TRIES:
            self.say(f"{name}: failed ({outcome.reason}); once more")
            self.waiting.append(attempt.job)
        else:
            self.say(f"{name}: failed again ({outcome.reason})")


def run_here(jobs: Sequence[Job], slots: int, say: Callable[[str], None] = print) -> int | None:
    """Bring all jobs to an end on this machine; the signal that stopped it, if one did.

    Raises `UserError` where a job was given to Slurm and is not done: two machines would work on one run.
    """
    due = [job for job in jobs if state_of(job) not in ("finished", "failed")]
    for job in due:
        if number := slurm_id(files_of(job)):
            raise UserError(
                f"{job.name} was given to Slurm (job {number}); collect it with --executor slurm, "
                f"or scancel it and delete {files_of(job).slurm}."
            )
    number = Queue(due, slots, say).run()
    if number is not None:
        say(f"stopped by {signal.Signals(number).name}; the same command goes on.")
    return number
