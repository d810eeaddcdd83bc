"""One attempt at a job: its train.py, then its eval.py, each in a process of its own.

`train.py` continues by itself what an earlier try began, so that every try is started the same way.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from common import provenance
from common.errors import printable
from common.openmp import spin_briefly
from configs.sweep import Job
from jobs.records import evaluation_of, files_of, meta_of, take_lock

ROOT = Path(provenance.ROOT)
CHILD = Path(__file__).with_name("child.py")
TAIL = 12
# What train.py and eval.py return, or die of, when a signal asks them to stop.
STOPPED = {128 + signal.SIGINT, 128 + signal.SIGTERM, -signal.SIGINT, -signal.SIGTERM}


class Busy(Exception):
    """Another process is at work on this job."""


@dataclass(frozen=True)
class Outcome:
    """How a try ended: `interrupted` means that a signal asked for it, whoever sent that signal."""

    kind: Literal["finished", "failed", "interrupted"]
    reason: str = ""
    tail: tuple[str, ...] = ()


def last_lines(log: bytes) -> tuple[str, ...]:
    """The last lines with something in them, without this machine's path to the project."""
    text = log.decode(errors="replace").replace(f"{ROOT}{os.sep}", "")
    lines = [line.rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]
    # Printed again later: a log must not steer the terminal.
    return tuple(printable(line) for line in lines if line)[-TAIL:]


def describe(status: int, tail: tuple[str, ...]) -> str:
    """Why a process ended, in one line."""
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    last = tail[-1].removeprefix("error: ").removeprefix("failed: ") if tail else "it printed nothing"
    return f"exit status {status}: {last}"[:400]


class Attempt:
    """An attempt in progress, which holds the job's lock. Raises `Busy` where another process has it."""

    def __init__(self, job: Job):
        self.job, self.files = job, files_of(job)
        lock = take_lock(self.files.lock)
        if lock is None:
            raise Busy(job.name)
        self.lock: IO[bytes] = lock
        self.asked: int | None = None
        self.program, self.process = "", None
        if due := self._due():
            self._start(*due)

    def _due(self) -> tuple[str, list[str]] | None:
        """Program and flags of what is to be done next; None where the job is finished."""
        meta = meta_of(self.files)
        if meta is None or meta.status != "finished":
            return "train.py", self.job.train_words()
        if evaluation_of(self.job) is None:
            return "eval.py", self.job.eval_words(self.files.evaluation)
        return None

    def _start(self, program: str, words: list[str]) -> None:
        with open(self.files.log, "ab") as log:
            log.write(f"== python {program} {shlex.join(words)}\n".encode())
            log.flush()
            self.log_begins = log.tell()
            self.program = program
            # Several jobs at once make the machine busy for each other.
            environment = dict(os.environ)
            spin_briefly(environment)
            # A session of its own: Ctrl-C in a terminal reaches the sweep alone, which passes it on once.
            self.process = subprocess.Popen(
                [sys.executable, str(CHILD), str(os.getpid()), str(ROOT / program), *words],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=environment,
                # The lock outlives this process where the training does, which may still be saving then.
                pass_fds=[self.lock.fileno()],
            )  # fmt: skip

    def poll(self) -> Outcome | None:
        """How it ended, or None while it is under way; starts eval.py when train.py is done."""
        if self.process is not None:
            status = self.process.poll()
            if status is None:
                return None
            if status:
                return self._close(self._unfinished(status))
        due = self._due()
        if due is None:
            return self._close(Outcome("finished"))
        if self.asked is not None:
            return self._close(Outcome("interrupted", "stopped between training and evaluation"))
        if due[0] == self.program:
            return self._close(Outcome("failed", f"{self.program} ended well and left no result", self.tail()))
        self._start(*due)
        return None

    def _unfinished(self, status: int) -> Outcome:
        tail = self.tail()
        if self.asked is not None or status in STOPPED:
            number = self.asked or (status - 128 if status > 0 else -status)
            return Outcome("interrupted", f"{self.program}: stopped by {signal.Signals(number).name}", tail)
        return Outcome("failed", f"{self.program}: {describe(status, tail)}", tail)

    def _close(self, outcome: Outcome) -> Outcome:
        self.lock.close()
        return outcome

    def tail(self) -> tuple[str, ...]:
        """The last lines that the process printed."""
        with open(self.files.log, "rb") as log:
            log.seek(self.log_begins)
            return last_lines(log.read()[-64 * 1024 :])

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to save and stop; `poll` tells when it has."""
        self.asked = number
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def settle(self) -> None:
        """Stop and wait, from within a signal handler: Popen's own lock may be held by what the signal interrupted."""
        self.asked = signal.SIGTERM
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(self.process.pid, signal.SIGTERM)
            # WNOWAIT: how it ended is left for Popen to read.
            os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOWAIT)

    def wait(self, interval: float = 0.2) -> Outcome:
        """Poll until it ends."""
        while (outcome := self.poll()) is None:
            time.sleep(interval)
        return outcome
