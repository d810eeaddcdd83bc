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
        ("--env TinyNanStep-v0", "env"), ("--seed 4", "seed"), ("--total-steps 80", "total_steps"),
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
