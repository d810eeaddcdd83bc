"""Nothing of an earlier run is lost or mixed up without a word."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path
from typing import Any

import pytest

from persistence.run_files import RunFiles
from tests.contract.runs import TINY, assert_same_run, meta

KILL = f"at_step(33, send({int(signal.SIGKILL)}))"
RUN = f"{TINY} --out a"


def contents(folder: Path) -> dict[str, str]:
    """Hash of every file below `folder`."""
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_finished_run_needs_overwrite(tmp_path: Path, commands: Any) -> None:
    assert commands(RUN, tmp_path).status == 0
    before = contents(tmp_path)
    line = commands(RUN, tmp_path).one_line()
    assert "finished run of 40 steps" in line and "--overwrite" in line
    assert contents(tmp_path) == before
    again = commands(f"{RUN} --overwrite --seed 9", tmp_path)
    assert again.status == 0 and "continuing" not in again.stdout
    assert meta(tmp_path / "a")["seeds"] == [9]
    assert meta(tmp_path / "a")["resumed"] == 0
    assert commands(f"{TINY} --seed 9 --out fresh", tmp_path).status == 0
    assert_same_run(tmp_path / "fresh", tmp_path / "a")


@pytest.mark.parametrize("finished", [True, False])
def test_other_settings_are_refused_by_name(tmp_path: Path, commands: Any, finished: bool) -> None:
    commands(RUN, tmp_path, setup="" if finished else KILL)
    before = contents(tmp_path)
    line = commands(f"{RUN} --gamma 0.5 --batch-size 8", tmp_path).one_line()
    for part in ("gamma: 0.99 -> 0.5", "batch_size: 20 -> 8", "--overwrite"):
        assert part in line
    assert "tau" not in line and "seed" not in line
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ("--env TinyNanStep-v0", "env"), ("--seed 4", "seed"), ("--total-steps 20", "total_steps"),
        ("--n-envs 1", "n_envs"), ("--net-arch 8", "net_arch"), ("--checkpoint-every 40", "checkpoint_every"),
        ("--her-goal-selection-strategy final", "her_goal_selection_strategy"), ("--threads 2", "threads"),
    ],
)  # fmt: skip
def test_every_kind_of_setting_counts(tmp_path: Path, commands: Any, change: str, key: str) -> None:
    commands(RUN, tmp_path, setup=KILL)
    line = commands(f"{RUN} {change}", tmp_path).one_line()
    assert f"other settings ({key}: " in line


def test_a_strangers_zip_is_kept(tmp_path: Path, commands: Any) -> None:
    (tmp_path / "a.zip").write_bytes(b"somebody's work")
    assert "no run of ours" in commands(RUN, tmp_path).one_line()
    assert (tmp_path / "a.zip").read_bytes() == b"somebody's work"


@pytest.mark.parametrize(
    "bad", ["--her --env TinyFlat-v0", "--device cuda", "--buffer-size 5", "--env Tiny-v0", "--gamma 2"]
)
def test_overwrite_keeps_the_old_run_where_the_new_one_cannot_start(tmp_path: Path, commands: Any, bad: str) -> None:
    assert commands(RUN, tmp_path).status == 0
    before = contents(tmp_path)
    commands(f"{RUN} --overwrite {bad}", tmp_path).one_line()
    assert contents(tmp_path) == before


def test_the_checkpoint_of_one_run_and_the_metadata_of_another(tmp_path: Path, commands: Any) -> None:
    commands(RUN, tmp_path, setup=KILL)
    commands(f"{TINY} --out b --gamma 0.5", tmp_path, setup=KILL)
    (tmp_path / "b.meta.json").rename(tmp_path / "a.meta.json")
    line = commands(f"{RUN} --gamma 0.5", tmp_path).one_line()
    assert "is not the run that a.meta.json describes" in line


def test_a_lost_checkpoint_starts_anew(tmp_path: Path, commands: Any) -> None:
    # What an unfinished run left beside its checkpoint does not enter the next one.
    commands(RUN, tmp_path, setup=KILL)
    (tmp_path / "a.zip").unlink()
    again = commands(RUN, tmp_path)
    assert again.status == 0 and "continuing" not in again.stdout
    assert commands(f"{TINY} --out fresh", tmp_path).status == 0
    assert_same_run(tmp_path / "fresh", tmp_path / "a")


@pytest.mark.parametrize(("one", "other"), [("a", "checkpoints/a"), ("x/y", "x-y"), ("x", "x/y"), ("b/a", "a")])
def test_curves_of_two_runs_are_never_in_one_folder(one: str, other: str) -> None:
    first, second = RunFiles(Path(one)).tensorboard, RunFiles(Path(other)).tensorboard
    assert first != second and first not in second.parents and second not in first.parents


def test_how_to_go_on_after_an_interrupted_overwrite(tmp_path: Path, commands: Any) -> None:
    assert commands(RUN, tmp_path).status == 0
    stopped = commands(f"{RUN} --overwrite", tmp_path, setup=f"at_step(33, send({int(signal.SIGINT)}))")
    assert stopped.status == 130 and "the same command without --overwrite continues" in stopped.stdout
    again = commands(RUN, tmp_path)
    assert again.status == 0 and "continuing at 20 of 40 steps" in again.stdout


def test_two_processes_do_not_share_a_run(tmp_path: Path, commands: Any) -> None:
    setup = f"""
def again():
    import train
    sys.stderr = sys.stdout
    print("second:", train.main({RUN.split()[1:]!r}), flush=True)
    sys.stderr = sys.__stderr__
at_step(25, lambda: os.waitpid(os.fork() or (again(), os._exit(0)), 0))
"""
    first = commands(RUN, tmp_path, setup=setup)
    assert first.status == 0, first.stderr
    assert "another process is training a right now" in first.stdout and "second: 2" in first.stdout
    assert commands(f"{TINY} --out alone", tmp_path).status == 0
    assert_same_run(tmp_path / "alone", tmp_path / "a")


LOGGED = RUN.replace("--track none", "--track tb")


@pytest.mark.parametrize("obstacle", ["a file named runs", "a full disk"])
def test_the_old_run_is_kept_until_the_new_one_is_on_the_disk(tmp_path: Path, commands: Any, obstacle: str) -> None:
    assert commands(RUN, tmp_path).status == 0
    if obstacle == "a file named runs":
        (tmp_path / "runs").write_text("in the way")
    before = contents(tmp_path)
    limit = {"a full disk": 9_000}.get(obstacle)
    command = f"{LOGGED} --overwrite --seed 5"
    setup = f"limit_file_size({limit})" if limit else ""
    line = commands(command, tmp_path, setup=setup).one_line()
    assert ("runs" if limit is None else "a.zip") in line
    assert contents(tmp_path) == before
    assert not list(tmp_path.glob("runs/*"))


def test_a_disk_too_small_for_two_checkpoints_is_noticed(tmp_path: Path, commands: Any) -> None:
    assert commands(RUN, tmp_path).status == 0
    before = contents(tmp_path)
    setup = """
import types
import common.files
real = os.statvfs
common.files.os.statvfs = lambda path: types.SimpleNamespace(f_bavail=700_000, f_frsize=1)
"""
    line = commands(f"{RUN} --overwrite --net-arch 256 256", tmp_path, setup=setup).one_line()
    assert "MiB free" in line and contents(tmp_path) == before


NEIGHBOURS = {
    "a.replay/notes.txt": b"mine", "a.replay/000001.npz": b"mine too", "a.metrics.jsonl": b"numbers",
    "a.failed.npz": b"a dump", "a.warnings.json": b"warnings", "a.meta.json": b"not ours",
}  # fmt: skip


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_a_first_run_destroys_no_neighbour(tmp_path: Path, commands: Any, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(NEIGHBOURS[name])
    before = contents(tmp_path)
    assert Path(name).name.split("/")[0] in commands(RUN, tmp_path).one_line()
    assert contents(tmp_path) == before


def test_metadata_of_a_finished_run_outlives_its_checkpoint(tmp_path: Path, commands: Any) -> None:
    assert commands(RUN, tmp_path).status == 0
    (tmp_path / "a.zip").rename(tmp_path / "elsewhere.zip")
    before = contents(tmp_path)
    assert "finished run whose checkpoint is gone" in commands(RUN, tmp_path).one_line()
    assert contents(tmp_path) == before


def test_overwrite_deletes_only_what_is_ours(tmp_path: Path, commands: Any) -> None:
    commands(RUN, tmp_path, setup=KILL)
    (tmp_path / "a.replay" / "notes.txt").write_text("mine")
    (tmp_path / "a.replay" / "deeper").mkdir()
    assert commands(f"{LOGGED} --overwrite", tmp_path).status == 0
    logs = next((tmp_path / "runs").iterdir())
    (logs / "notes.txt").write_text("mine")
    assert commands(f"{LOGGED} --overwrite", tmp_path).status == 0
    assert (tmp_path / "a.replay" / "notes.txt").read_text() == "mine"
    assert sorted(p.name for p in (tmp_path / "a.replay").iterdir()) == ["deeper", "notes.txt"]
    assert (logs / "notes.txt").exists() and len(list(logs.glob("events*"))) == 1


def test_a_full_disk_leaves_no_empty_run(tmp_path: Path, commands: Any) -> None:
    commands(LOGGED, tmp_path, setup="limit_file_size(5000)").one_line()
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == []


def test_logs_that_cannot_be_written_are_not_blamed_on_the_checkpoint(tmp_path: Path, commands: Any) -> None:
    (tmp_path / "runs").write_text("in the way")
    line = commands(LOGGED, tmp_path).one_line()
    assert "TensorBoard's logs to runs/" in line and "--track none" in line and "a.zip" not in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["runs"]


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_metrics_that_are_no_file(tmp_path: Path, commands: Any, kind: str) -> None:
    import os

    path = tmp_path / "a.metrics.jsonl"
    path.mkdir() if kind == "folder" else os.mkfifo(path)
    assert "a.metrics.jsonl is a" in commands(RUN, tmp_path).one_line()
    assert [p.name for p in tmp_path.iterdir()] == ["a.metrics.jsonl"]


def test_a_run_that_went_on_while_this_one_was_about_to_is_noticed(tmp_path: Path, commands: Any) -> None:
    """Another process trains and ends between the look at the files and the lock."""
    commands(RUN, tmp_path, setup=KILL)
    setup = f"""
import train
from persistence import metric_log
opened = train.Run._opened
def late(self):
    train.Run._opened = opened
    if os.fork() == 0:
        os._exit(train.main({RUN.split()[1:]!r}))
    os.wait()
    return opened(self)
train.Run._opened = late
"""
    line = commands(RUN, tmp_path, setup=setup).one_line()
    assert "another process has just written a.zip" in line
    assert meta(tmp_path / "a")["status"] == "finished"
    assert commands(f"{TINY} --out whole", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "a")
