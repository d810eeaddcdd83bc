"""Another command of this project, run from within one: in a process of its own, which an interruption lets save.

A command tells how it ended by its exit status (`common.cli.guarded`). Here a status becomes an exception again, so
that a script that calls another ends as if it had done the work itself.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from common.errors import ToldAlready, TrainingFailure
from common.provenance import ROOT


def check_status(status: int, script: str, words: list[str]) -> None:
    """Raise what the exit status of `script` with these `words` means; 0 means nothing.

    `KeyboardInterrupt` where it was interrupted, after it has saved what it had, `ToldAlready` where it refused what it
    was asked, and else `TrainingFailure`.
    """
    # Below 0: the signal came before the command had said that it would handle it.
    if status in (130, 143, -signal.SIGINT, -signal.SIGTERM):
        raise KeyboardInterrupt
    if status:
        ended = ToldAlready if status == 2 else TrainingFailure
        raise ended(f"{Path(script).name} {' '.join(words)} ended with status {status}.")


def run_command(script: str, *arguments: object) -> None:
    """Run a script of this project (a path from its root) with `arguments`. Raises as `check_status` does."""
    words = [str(word) for word in arguments]
    check_status(_wait(subprocess.Popen([sys.executable, str(ROOT / script), *words])), script, words)


def _wait(child: subprocess.Popen[bytes]) -> int:
    """The exit status of `child`. Ctrl-C and SIGTERM leave it the time to save what it has."""
    # A terminal sends Ctrl-C to both processes. `subprocess.run` would kill the child a quarter of a second later.
    before = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: child.terminate()),
    }
    try:
        return child.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
