"""The queue on this machine: slots, retries, locks and signals, with stand-ins; then real runs that are killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analysis.reports import DataReport, TrainMeta, load
from common.errors import UserError
from configs.sweep import Sweep
from jobs import local
from jobs.attempt import Attempt, Busy, describe, last_lines
from jobs.records import add_failure, failures, files_of, only_one, set_slurm_id, state_of, take_lock
from jobs.report import make_report, tell

Start = Callable[..., subprocess.Popen[str]]


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What `condition` returns once it is true."""
    ends = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < ends, "waited too long"
        time.sleep(0.02)
    return value


def test_a_job_that_fails_is_tried_once_more(stubbed: Callable[..., Sweep], capsys: pytest.CaptureFixture[str]) -> None:
    """Four jobs on two slots: one is well, one fails once, one always, one dies of SIGKILL once."""
    behaviour = {"b_seed0": ["fail", "finish"], "c_seed0": ["fail"], "d_seed0": ["kill", "finish"]}
    variants = {"a": {}, "b": {"gamma": 0.9}, "c": {"gamma": 0.8}, "d": {"gamma": 0.7}}
    sweep, said = stubbed(behaviour, variants=variants), []
    assert local.run_here(sweep.jobs, 2, said.append) is None
    assert [state_of(job) for job in sweep.jobs] == ["finished", "finished", "failed", "finished"]
    assert [len(failures(files_of(job))) for job in sweep.jobs] == [0, 1, 2, 1]
    last = failures(files_of(sweep.jobs[2]))[-1]
    assert last.reason == "train.py: exit status 3: it does not work" and last.tail[0] == "try 1 is to fail"
    assert failures(files_of(sweep.jobs[3]))[0].reason == "train.py: killed by SIGKILL"
    # A second call starts nothing.
    tries = {job.name: Path(f"{job.config.out}.tries").read_text() for job in sweep.jobs}
    assert list(tries.values()) == ["1", "2", "2", "2"]
    assert local.run_here(sweep.jobs, 2, said.append) is None
    assert tries == {job.name: Path(f"{job.config.out}.tries").read_text() for job in sweep.jobs}
    report = make_report(sweep, {}, {})
    assert report.status == "failed" and [row["status"] for row in report.data["rows"]].count("finished") == 3
    assert tell(sweep, report, Path("x.json")) == 1
    assert "c_seed0 failed: train.py: exit status 3: it does not work" in capsys.readouterr().err


def test_never_more_than_the_slots(stubbed: Callable[..., Sweep], monkeypatch: pytest.MonkeyPatch) -> None:
    sweep, seen = stubbed({}, seeds="0-3"), []
    collect = local.Queue._collect
    monkeypatch.setattr(local.Queue, "_collect", lambda self: (seen.append(len(self.running)), collect(self)))
    assert local.run_here(sweep.jobs, 2, lambda _: None) is None
    assert max(seen) == 2 and {state_of(job) for job in sweep.jobs} == {"finished"}


def test_a_program_that_leaves_nothing_has_failed(stubbed: Callable[..., Sweep]) -> None:
    sweep = stubbed({"base_seed0": ["nothing"]})
    local.run_here(sweep.jobs, 1, lambda _: None)
    assert "left no result" in failures(files_of(sweep.jobs[0]))[-1].reason


def test_another_evaluation_is_made_without_training(stubbed: Callable[..., Sweep]) -> None:
    local.run_here(stubbed({}).jobs, 1, lambda _: None)
    sweep = stubbed({}, eval={"seeds": "5-9"})
    assert state_of(sweep.jobs[0]) == "interrupted"
    local.run_here(sweep.jobs, 1, lambda _: None)
    assert state_of(sweep.jobs[0]) == "finished" and Path("sweeps/s/base_seed0.tries").read_text() == "1"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on(stubbed: Callable[..., Sweep], sweep_process: Start, number: int) -> None:
    """The runs are asked to save, nothing else is started, and the exit status says which signal it was."""
    stubbed({"base_seed0": ["wait"], "base_seed1": ["wait"]})
    source = {"name": "s", "command": {"algo": "sac", "env": "FetchReach-v4"}, "seeds": "0-2"}
    Path("sweep.json").write_text(json.dumps(source))
    setup = "from pathlib import Path; import jobs.attempt; jobs.attempt.ROOT = Path('programs')"
    with sweep_process("sweep.json", "--slots", "2", setup=setup) as process:
        until(lambda: len(list(Path("sweeps/s").glob("*.ready"))) == 2)
        busy = sweep_process("sweep.json")
        assert "another sweep is at work" in busy.communicate(timeout=60)[1] and busy.returncode == 2
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert [path.read_text() for path in Path("sweeps/s").glob("*.caught")] == [str(int(number))] * 2
    assert not Path("sweeps/s/base_seed2.tries").exists() and "the same command goes on" in out
    assert not list(Path("sweeps/s").glob("*.job.json"))
    assert load("results/sweeps/s.json", DataReport).status == "running"


def test_locks(stubbed: Callable[..., Sweep], tmp_path: Path) -> None:
    [job] = stubbed({"base_seed0": ["wait"]}).jobs
    attempt = Attempt(job)
    assert state_of(job) == "running"
    with pytest.raises(Busy):
        Attempt(job)
    until(Path("sweeps/s/base_seed0.ready").exists)
    attempt.settle()
    assert attempt.wait().kind == "interrupted"
    with take_lock(files_of(job).lock) as free:
        assert free is not None
    with only_one(tmp_path / "f"), pytest.raises(UserError, match="another sweep"), only_one(tmp_path / "f"):
        pass


def test_what_slurm_has_is_not_run_here(stubbed: Callable[..., Sweep]) -> None:
    [job] = stubbed({}).jobs
    set_slurm_id(files_of(job), "17_0")
    with pytest.raises(UserError, match="was given to Slurm .job 17_0."):
        local.run_here([job], 1)


def test_damaged_records_are_named(stubbed: Callable[..., Sweep]) -> None:
    [job] = stubbed({}).jobs
    assert add_failure(files_of(job), "x") == 1
    files_of(job).failures.write_text("{")
    with pytest.raises(UserError, match="delete it"):
        failures(files_of(job))


def test_reasons() -> None:
    assert describe(-9, ()) == "killed by SIGKILL"
    assert describe(1, ("a", "failed: NaN in a loss")) == "exit status 1: NaN in a loss"
    assert describe(2, ()) == "exit status 2: it printed nothing"
    assert last_lines(b"one\n\n 1% \r 2% \r 99%\nend \xff\n") == ("one", " 99%", "end \ufffd")


COMMAND = {
    "algo": "sac", "env": "FetchReach-v4", "her": True, "device": "cpu", "track": "none", "total_steps": 1000,
    "n_envs": 2, "threads": 1, "checkpoint_every": 100, "learning_starts": 200, "eval_every": 0, "gradient_steps": 1,
    "batch_size": 32,
}  # fmt: skip


def test_killed_runs_and_a_killed_sweep_end_with_the_same_weights(
    commands: Any, sweep_process: Start, tmp_path: Path
) -> None:
    """SIGKILL to a run: the sweep goes on with it. SIGKILL to the sweep: its runs save, and a second call ends it."""
    flags = [f"--{key.replace('_', '-')} {value}" for key, value in COMMAND.items() if key != "her"]
    whole = commands(f"train --her {' '.join(flags)} --out whole", cwd=tmp_path)
    assert whole.status == 0, whole.stderr
    source = {"name": "s", "command": COMMAND, "seeds": "0", "eval": {"seeds": "0-1"}}
    (tmp_path / "sweep.json").write_text(json.dumps(source))
    out = tmp_path / "sweeps/s/base_seed0"
    meta = out.with_name("base_seed0.meta.json")
    steps = lambda: meta.exists() and load(meta, TrainMeta).steps  # noqa: E731
    with sweep_process("sweep.json", "--slots", "2") as sweep:
        victim = next(m for line in sweep.stdout if (m := re.match(r"base_seed0: train.py .process (\d+).", line)))
        until(lambda: steps() >= 300)
        os.kill(int(victim[1]), signal.SIGKILL)
        assert any("base_seed0: failed (train.py: killed by SIGKILL); once more" in line for line in sweep.stdout)
        killed_at = steps()
        until(lambda: steps() > killed_at)
        sweep.kill()
    with sweep_process("sweep.json", "--slots", "2") as again:
        printed, errors = again.communicate(timeout=120)
    assert again.returncode == 0, printed + errors
    end = load(meta, TrainMeta)
    assert 300 <= killed_at < 1000 and end.resumed == 2 and end.status == "finished"
    assert end.weights_sha256 == load(tmp_path / "whole.meta.json", TrainMeta).weights_sha256
    report = load(tmp_path / "results/sweeps/s.json", DataReport)
    assert report.status == report.data["rows"][0]["status"] == "finished"
    assert report.data["rows"][0]["failures"] == ["train.py: killed by SIGKILL"]
    # Other settings under the same name are refused before anything starts.
    (tmp_path / "sweep.json").write_text(json.dumps(source | {"command": COMMAND | {"gamma": 0.9}}))
    with sweep_process("sweep.json") as changed:
        assert "gamma: 0.95 -> 0.9" in changed.communicate(timeout=60)[1]
    assert changed.returncode == 2


def test_a_lock_that_was_deleted_meanwhile_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forced once: another process deletes the file and makes it anew between our opening and our locking it."""
    import fcntl

    path, real, held = tmp_path / "a.lock", fcntl.flock, []

    def late(file: Any, how: int) -> None:
        if not held:
            path.unlink()
            held.append(open(path, "ab"))  # noqa: SIM115
            real(held[0], fcntl.LOCK_EX)
        real(file, how)

    monkeypatch.setattr("jobs.records.fcntl.flock", late)
    assert take_lock(path) is None
    held[0].close()
    mine = take_lock(path)
    assert mine is not None
    mine.close()


def test_a_log_does_not_steer_the_terminal() -> None:
    assert last_lines(b"one\n\x1b]0;owned\x07two\n") == ("one", "\\x1b]0;owned\\x07two")
