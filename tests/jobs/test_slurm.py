"""Sweeps on a real Slurm cluster: requeued, preempted, killed and cancelled jobs go on, and so does a killed sweep.

    pytest -m slurm -n 0

Needs a cluster that answers to `sinfo` and lets this user requeue jobs and change their start; a node of it must be
this machine, since one test kills a training process. About four minutes on two cores.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from analysis.reports import DataReport, TrainMeta, load
from jobs.slurm import adopt, in_queue

Start = Callable[..., subprocess.Popen[str]]
COMMAND = {
    "algo": "sac", "env": "FetchReach-v4", "her": True, "device": "cpu", "track": "none", "total_steps": 4000,
    "n_envs": 2, "threads": 1, "checkpoint_every": 100, "learning_starts": 200, "eval_every": 0, "gradient_steps": 1,
    "batch_size": 32,
}  # fmt: skip
SLURM = ("sweep.json", "--executor", "slurm", "--cpus", "1", "--time-min", "20")


def slurm(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture
def cluster(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The test's folder, on a cluster that answers; what a failed test left in the queue is cancelled."""
    if "slurm" not in request.config.getoption("markexpr"):
        pytest.skip("sweeps on a cluster are tested with: pytest -m slurm")
    if not shutil.which("sinfo") or subprocess.run(["sinfo"], capture_output=True, timeout=60).returncode:
        pytest.skip("no Slurm answers")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for number in {path.name.split("_submitted")[0] for path in tmp_path.glob("sweeps/*/slurm/*_submitted.pkl")}:
        subprocess.run(["scancel", number], capture_output=True, timeout=60)


def write_sweep(**more: Any) -> None:
    source = {"name": "s", "command": COMMAND, "seeds": "0", "eval": {"seeds": "0-1"}}
    Path("sweep.json").write_text(json.dumps(source | more))


def ran(process: subprocess.Popen[str], status: int = 0) -> str:
    out, err = process.communicate(timeout=400)
    assert process.returncode == status, out + err
    return out + err


def until(condition: Callable[[], Any], seconds: float = 180) -> Any:
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "waited too long"
        time.sleep(0.1)
    return value


def meta(seed: int) -> TrainMeta | None:
    path = Path(f"sweeps/s/base_seed{seed}.meta.json")
    return load(path, TrainMeta) if path.exists() else None


def in_the_middle(seed: int) -> bool:
    state = meta(seed)
    return state is not None and 300 <= state.steps < 3000


def number_of(seed: int) -> str:
    return json.loads(Path(f"sweeps/s/base_seed{seed}.slurm.json").read_text())["job_id"]


def hurry(number: str) -> None:
    """Slurm lets a requeued job rest for two minutes. Here some seconds do; none is too few for the node."""
    until(lambda: in_queue()[number][0] == "PENDING")
    slurm("scontrol", "update", f"JobId={number}", "StartTime=now+5")


@pytest.mark.slurm
def test_jobs_that_are_stopped_in_the_middle_go_on(cluster: Path, sweep_process: Start, commands: Any) -> None:
    """Preempted (submitit's signal), requeued by hand, training killed: all end with an uninterrupted run's weights."""
    write_sweep(seeds="0-2")
    first = ran(sweep_process(*SLURM))
    assert "base_seed2: " in first and "0 of 3 seeds finished" in first
    numbers = [number_of(seed) for seed in range(3)]
    until(lambda: in_the_middle(0))
    slurm("scancel", "--signal", "USR2", numbers[0])
    until(lambda: in_the_middle(1))
    slurm("scontrol", "requeue", numbers[1])
    hurry(numbers[0])
    hurry(numbers[1])
    until(lambda: in_the_middle(2))
    # Its lock is held by the training process and by the one that started it; the younger one trains.
    pids = re.findall(r"\d+", slurm("pgrep", "-f", "train.py .*s/base_seed2"))
    os.kill(int(max(pids, key=int)), signal.SIGKILL)
    # A second call, while all this goes on, submits nothing again.
    ran(sweep_process(*SLURM))
    assert [number_of(seed) for seed in range(3)] == numbers
    printed = ran(sweep_process(*SLURM, "--wait", "--poll-s", "1"))
    assert "3 of 3 seeds finished" in printed
    report = load("results/sweeps/s.json", DataReport)
    assert [row["resumed"] for row in report.data["rows"]] == [1, 1, 1], printed
    assert [row["failures"] for row in report.data["rows"]] == [[], [], ["train.py: killed by SIGKILL"]]
    for number, restarts in zip(numbers, (1, 1, 0), strict=True):
        assert f"Restarts={restarts}" in slurm("scontrol", "show", "job", number)
    flags = " ".join(f"--{key.replace('_', '-')} {value}" for key, value in COMMAND.items() if key != "her")
    for seed in range(3):
        assert commands(f"train --her {flags} --seed {seed} --out whole{seed}", cwd=cluster).status == 0
        assert meta(seed).weights_sha256 == load(f"whole{seed}.meta.json", TrainMeta).weights_sha256


@pytest.mark.slurm
def test_a_sweep_that_dies_while_it_submits_loses_and_doubles_nothing(cluster: Path, sweep_process: Start) -> None:
    """SIGKILL right after sbatch. The next call finds the jobs; one that is cancelled is submitted once more."""
    write_sweep(seeds="0-1", command=COMMAND | {"total_steps": 1500})
    kill = "import os, jobs.slurm; jobs.slurm.set_slurm_id = lambda *a: os.kill(os.getpid(), 9)"
    ran(sweep_process(*SLURM, setup=kill), status=-signal.SIGKILL)
    assert not list(Path("sweeps/s").glob("*.slurm.json"))
    before = {path.name for path in Path("sweeps/s/slurm").glob("*_submitted.pkl")}
    ran(sweep_process(*SLURM))
    assert len(before) == 2 and {f"{number_of(seed)}_submitted.pkl" for seed in (0, 1)} == before
    assert not Path("sweeps/s/submitting.json").exists()
    cancelled = number_of(1)
    slurm("scancel", cancelled)
    until(lambda: cancelled not in in_queue())
    ran(sweep_process(*SLURM))
    assert number_of(1) != cancelled
    assert "2 of 2 seeds finished" in ran(sweep_process(*SLURM, "--wait", "--poll-s", "1"))
    rows = load("results/sweeps/s.json", DataReport).data["rows"]
    assert rows[0]["failures"] == []
    [reason] = rows[1]["failures"]
    # A task of an array that was cancelled before it began leaves no trace in Slurm.
    ends = ("CANCELLED", "gone from the queue")
    assert reason in [f"Slurm job {cancelled} ended before the run did: {end}" for end in ends]


@pytest.mark.slurm
def test_a_job_that_fails_twice_is_given_up(cluster: Path, sweep_process: Start) -> None:
    """A checkpoint of a stranger stands where the run is to go. `--retry` tries again once it is gone."""
    write_sweep(command=COMMAND | {"total_steps": 500})
    Path("sweeps/s").mkdir(parents=True)
    stranger = Path("sweeps/s/base_seed0.zip")
    stranger.write_bytes(b"x")
    printed = ran(sweep_process(*SLURM, "--wait", "--poll-s", "1"), status=1)
    assert "base_seed0 failed: train.py: exit status 2: sweeps/s/base_seed0.zip exists and is no run" in printed
    assert "base_seed0: failed" in ran(sweep_process(*SLURM), status=1)
    assert len(list(Path("sweeps/s/slurm").glob("*_submitted.pkl"))) == 1
    stranger.unlink()
    assert "1 of 1 seeds finished" in ran(sweep_process(*SLURM, "--wait", "--poll-s", "1", "--retry"))


@pytest.mark.slurm
def test_what_sbatch_refuses_is_one_line(cluster: Path, sweep_process: Start) -> None:
    write_sweep()
    said = ran(sweep_process(*SLURM, "--sbatch", "partition=nowhere"), status=2)
    assert "sbatch refused" in said and "partition" in said and "Traceback" not in said
    assert not Path("sweeps/s/submitting.json").exists()


def test_without_slurm_that_is_said(tmp_path: Path, sweep_process: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_sweep()
    said = ran(sweep_process(*SLURM, PATH=str(tmp_path)), status=2)
    assert "error: no Slurm here: No such file or directory." in said and "Traceback" not in said


def test_a_submission_that_submitit_did_not_finish_is_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stubbed: Callable[..., Any]
) -> None:
    """In the queue under the note's name, and no pickle: cancelled; with one: adopted. Others' jobs are left alone."""
    jobs, folder, ran_words = stubbed({}, seeds="0-1").jobs, Path("sweeps/s"), []
    (folder / "slurm").mkdir(parents=True)
    (folder / "slurm/7_1_submitted.pkl").touch()
    (folder / "submitting.json").write_text(json.dumps({"name": "s-1-2", "jobs": [job.name for job in jobs]}))
    monkeypatch.setattr(subprocess, "run", lambda words, **_: ran_words.append(words))
    adopt(jobs, folder, {"7_0": ("PENDING", "s-1-2"), "7_1": ("PENDING", "s-1-2"), "8": ("RUNNING", "other")})
    assert ran_words == [["scancel", "7_0"]] and not (folder / "submitting.json").exists()
    assert json.loads((folder / "base_seed1.slurm.json").read_text()) == {"job_id": "7_1"}
    assert not (folder / "base_seed0.slurm.json").exists()
