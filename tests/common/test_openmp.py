"""How PyTorch's threads wait: for how long, who decides, and that it changes no result."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from common.openmp import BY_USER, SPIN, spin_briefly
from tests.contract.runs import FETCH, REPLAY, meta

SMALL = f"--algo sac --her --env FetchReach-v4 {FETCH} {REPLAY} --backend fast --threads 2 --net-arch 128 128"


@pytest.mark.parametrize("name", BY_USER)
def test_the_users_own_word_stands(name: str) -> None:
    environment = {name: "7"}
    spin_briefly(environment)
    assert environment == {name: "7"}
    environment = {name: ""}
    spin_briefly(environment)
    assert environment == {name: ""} | SPIN


def python(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    others = {key: value for key, value in os.environ.items() if key not in (*BY_USER, "OMP_NUM_THREADS")}
    line = [sys.executable, *words]
    return subprocess.run(line, capture_output=True, text=True, env=others | environment, check=True)


def test_it_is_set_before_pytorch_reads_it() -> None:
    code = "import sys, train; assert 'torch' not in sys.modules; import torch"
    assert "GOMP_SPINCOUNT = '1000'" in python("-c", code, OMP_DISPLAY_ENV="VERBOSE").stderr


def test_two_threads_learn_the_same_however_they_wait(tmp_path: Path, root: Path) -> None:
    for name, environment in {"brief": {}, "asleep": {"OMP_WAIT_POLICY": "PASSIVE"}}.items():
        python(str(root / "train.py"), *SMALL.split(), "--out", str(tmp_path / name), **environment)
    assert meta(tmp_path / "brief")["updates"] > 50
    assert meta(tmp_path / "brief")["weights_sha256"] == meta(tmp_path / "asleep")["weights_sha256"]
