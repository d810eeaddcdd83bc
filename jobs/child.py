"""The first moment of a job's process, before it becomes train.py or eval.py.

    python jobs/child.py PARENT PROGRAM [WORD …]

It asks for SIGTERM when PARENT dies, so that a training run saves and stops when its sweep was killed, and nothing is
left running that nobody knows of. A program of its own rather than code between fork and exec: the sweep has threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def become(parent: int, words: list[str]) -> None:
    """Replace this process by Python with `words`; it dies here if `parent` is dead already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM))
    if os.getppid() != parent:
        sys.exit(128 + signal.SIGTERM)
    # Slurm sends the signal that submitit waits for to every process of a job, and this one would die of it.
    signal.signal(signal.SIGUSR2, signal.SIG_IGN)
    os.execv(sys.executable, [sys.executable, *words])


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
