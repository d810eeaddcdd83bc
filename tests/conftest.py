"""What many tests share: one thread for PyTorch, commands in processes of their own, a tiny trained checkpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVER = ROOT / "tests" / "contract" / "server.py"


@dataclass(frozen=True)
class Done:
    """How a command ended: exit status (minus the signal's number where one killed it) and what it printed."""

    status: int
    stdout: str
    stderr: str

    def one_line(self, status: int = 2) -> str:
        """Its error, after a check that it is one line, no traceback, and came with this exit status."""
        assert self.status == status, (self.status, self.stdout, self.stderr)
        # On a slow machine a run says every ten seconds how far it is; that is not its error.
        lines = [line for line in self.stderr.strip().splitlines() if " steps/s, " not in line]
        assert len(lines) == 1 and "Traceback" not in self.stderr, self.stderr
        return lines[0]


class Commands:
    """Runs `train`, `eval` and scripts in forked processes; see `tests/contract/server.py`."""

    def __init__(self, folder: Path):
        single = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
        self.folder = folder
        self.server = subprocess.Popen(
            [sys.executable, str(SERVER)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=os.environ | single, bufsize=1,
        )  # fmt: skip
        assert self.server.stdout.readline() == "ready\n"

    def __call__(
        self, command: str | list[str], cwd: Path, setup: str = "", environment: dict[str, str] | None = None
    ) -> Done:
        """Run `train …`, `eval …` or `path/of/script.py …` in `cwd`, with `setup` run first in its process.

        A string is split at its spaces.
        """
        program, *argv = command.split() if isinstance(command, str) else command
        streams = {name: str(self.folder / name) for name in ("stdout", "stderr")}
        job = {"program": program, "argv": argv, "cwd": str(cwd), "setup": setup, "environment": environment or {}}
        self.server.stdin.write(json.dumps(job | streams) + "\n")
        self.server.stdout.readline()
        answer = json.loads(self.server.stdout.readline())
        texts = {name: Path(path).read_text() for name, path in streams.items()}
        return Done(answer["status"], **texts)

    def close(self) -> None:
        """End the server."""
        self.server.stdin.close()
        self.server.wait(30)
        self.server.stdout.close()


@pytest.fixture(scope="session")
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    """`commands("train --algo sac …", cwd=tmp_path)` in a process of its own, without the seconds of an import."""
    runner = Commands(tmp_path_factory.mktemp("streams"))
    yield runner
    runner.close()
