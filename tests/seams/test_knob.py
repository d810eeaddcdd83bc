"""A learner knob from outside: a flag with help and limits, trained, killed, continued and evaluated."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract.runs import FETCH, REPLAY, assert_same_run, meta

# What a script of the user's does: bring the learner, then train. `at` kills the process at a step.
SCRIPT = """
import sys
import tests.seams.my_learner
import train
from tests.contract import server
at = {at}
if at:
    server.at_step(at, server.send(9))
sys.exit(train.main())
"""
SMALL = f"--algo sac --her --env FetchReach-v4 {FETCH} {REPLAY}".replace("--backend sb3", "--backend shrinking").split()


def train(place: Path, *words: str, at: int = 0) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", SCRIPT.format(at=at), *SMALL, *words]
    return subprocess.run(line, cwd=place, capture_output=True, text=True)


@pytest.fixture(autouse=True)
def path(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(root))


def test_it_takes_at_most_thirty_lines(root: Path) -> None:
    for name in ("my_learner", "my_encoder"):
        lines = (root / f"tests/seams/{name}.py").read_text().splitlines()
        assert len([line for line in lines if line.strip() and not line.startswith(("import", "from", '"""'))]) <= 30


def test_killed_and_continued_equals_undisturbed(tmp_path: Path, commands: object) -> None:
    whole = train(tmp_path, "--shrink", "0.01", "--out", "whole")
    assert whole.returncode == 0, whole.stderr
    assert meta(tmp_path / "whole")["config"]["shrink"] == 0.01
    assert train(tmp_path, "--shrink", "0.01", "--out", "cut", at=250).returncode == -9
    other = train(tmp_path, "--shrink", "0.02", "--out", "cut")
    assert other.returncode == 2 and "other settings (shrink: 0.01 -> 0.02)" in other.stderr
    assert train(tmp_path, "--shrink", "0.01", "--out", "cut").returncode == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    # It does something, and an evaluation needs nothing of it: a checkpoint holds plain networks.
    assert train(tmp_path, "--shrink", "0", "--out", "without").returncode == 0
    assert meta(tmp_path / "without")["weights_sha256"] != meta(tmp_path / "whole")["weights_sha256"]
    assert commands("eval --ckpt whole.zip --env FetchReach-v4 --seeds 0-3", tmp_path).status == 0


@pytest.mark.parametrize(
    ("words", "expected"),
    [(["--shrink", "1.5"], "--shrink 1.5: must lie between 0 and 1"), (["--shrnk", "0.1"], "--shrink")],
)
def test_mistakes(tmp_path: Path, words: list[str], expected: str) -> None:
    done = train(tmp_path, *words, "--out", "a")
    assert done.returncode == 2 and expected in done.stderr and "Traceback" not in done.stderr
