"""A sweep of stand-ins for train.py and eval.py, so that a job takes a moment; and the script as a process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from configs.sweep import Sweep, plan

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stubbed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Sweep]:
    """`stubbed({"a_seed0": ["fail", "finish"]}, variants=…)`: a sweep whose runs behave like that; see stub.py."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("train.py", "eval.py"):
        shutil.copy(ROOT / "tests/jobs/stub.py", programs / name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("jobs.attempt.ROOT", programs)

    def make(behaviour: dict[str, list[str]], **more: Any) -> Sweep:
        (tmp_path / "behaviour.json").write_text(json.dumps(behaviour))
        source = {"name": "s", "command": {"algo": "sac", "env": "FetchReach-v4"}, "seeds": "0"}
        return plan(source | {"eval": {"seeds": "0-1"}} | more, Path("sweeps"))

    return make


@pytest.fixture
def sweep_process(tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    """`sweep_process("sweep.json", "--slots", "2")`: scripts/sweep.py in the test's folder, its output in pipes.

    `setup` is Python that runs first in its process.
    """

    def start(*words: str, setup: str = "", **environment: str) -> subprocess.Popen[str]:
        script = str(ROOT / "scripts/sweep.py")
        code = f"import runpy, sys\n{setup}\nsys.argv[0] = {script!r}\nrunpy.run_path({script!r}, run_name='__main__')"
        return subprocess.Popen(
            [sys.executable, "-c", code, *words], cwd=tmp_path, env=os.environ | environment, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    return start
