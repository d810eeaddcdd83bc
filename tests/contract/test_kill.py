"""A kill right before every single operation on a file, and in the middle of every write.

Whatever the moment, there is either no checkpoint or one that evaluation accepts, and the same command goes on to
exactly the weights of the undisturbed run.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import UserError
from tests.contract.runs import TINY, assert_same_run, meta

PLAIN = f"{TINY} --out run/a"
REDONE = f"{PLAIN} --overwrite"


@pytest.fixture(scope="module")
def accepted() -> Callable[[Path], int | None]:
    """Steps in the checkpoint at a path as evaluation loads it, None where there is no checkpoint."""
    from agents.checkpoint import load_policy, read_state
    from envs.make import make_env, register
    from tests.contract import tiny

    register()
    tiny.register()
    env = make_env("TinyReach-v0")

    def check(path: Path) -> int | None:
        if not path.exists():
            return None
        policy, _ = load_policy(path, env, "TinyReach-v0", "cpu")
        policy.predict(env.reset(seed=0)[0], deterministic=True)
        return read_state(path)["steps"]

    return check


def count_operations(commands: Any, folder: Path, command: str) -> list[str]:
    """What an undisturbed run does to files, in order; an fsync stands for two moments."""
    log = folder.with_suffix(".log")
    done = commands(command, folder, setup=f"at_file_operation('.', 0, {str(log)!r})")
    assert done.status == 0, done.stderr
    return log.read_text().splitlines()


def kill(commands: Any, folder: Path, command: str, moment: int) -> None:
    done = commands(command, folder, setup=f"at_file_operation('.', {moment})")
    assert done.status == -signal.SIGKILL, (moment, done)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, commands: Any) -> tuple[Path, list[str]]:
    folder = tmp_path_factory.mktemp("whole")
    return folder / "run" / "a", count_operations(commands, folder, PLAIN)


def moments(operations: list[str]) -> int:
    return len(operations) + sum(line.startswith("fsync") for line in operations)


def test_the_operations_are_seen(whole: tuple[Path, list[str]]) -> None:
    _, operations = whole
    renames = [line for line in operations if line.startswith("os.rename")]
    # The probe of the place; the metadata, then the first checkpoint; two segments; the final metadata.
    assert len(renames) == 1 + 1 + 1 + 2 * 3 + 1
    assert sum(line.startswith("fsync") for line in operations) == len(renames)
    assert any(line.startswith("os.rmdir") for line in operations)
    assert 50 < moments(operations) < 120


# In four parts, so that two workers can share them.
@pytest.mark.parametrize("part", range(4))
def test_a_kill_at_every_moment(
    tmp_path: Path, commands: Any, whole: tuple[Path, list[str]], accepted: Callable[[Path], int | None], part: int
) -> None:
    undisturbed, operations = whole
    for moment in range(1 + part, moments(operations) + 1, 4):
        folder = tmp_path / str(moment)
        folder.mkdir()
        kill(commands, folder, PLAIN, moment)
        steps = accepted(folder / "run" / "a.zip")
        again = commands(PLAIN, folder)
        if again.status == 2:
            # Killed when everything but the tidying was done: the run is finished and says so.
            assert "finished run" in again.one_line() and steps == 40
        else:
            assert again.status == 0, (moment, again.stderr)
            assert ("continuing at" in again.stdout) == (steps is not None), moment
        assert_same_run(undisturbed, folder / "run" / "a")
        left = [name for name in os.listdir(folder / "run") if name.startswith(".")]
        assert left == [], (moment, left)


def test_a_kill_while_an_old_run_is_replaced(
    tmp_path: Path, commands: Any, whole: tuple[Path, list[str]], accepted: Callable[[Path], int | None]
) -> None:
    undisturbed, _ = whole
    assert commands(PLAIN.replace("--seed 3", "--seed 8"), tmp_path).status == 0
    old = meta(tmp_path / "run" / "a")["weights_sha256"]
    operations = count_operations(commands, tmp_path, REDONE)
    first_commit = [n for n, line in enumerate(operations) if line.startswith("os.rename") and ".zip" in line][1]
    for moment in range(1, first_commit + 8):
        kill(commands, tmp_path, REDONE, moment)
        # The old one, none, or the new one: never a mixture.
        steps = accepted(tmp_path / "run" / "a.zip")
        if steps == 40:
            assert meta(tmp_path / "run" / "a")["status"] == "finished"
            assert meta(tmp_path / "run" / "a")["weights_sha256"] in (old, meta(undisturbed)["weights_sha256"])
        elif steps is not None:
            assert steps == 0 and meta(tmp_path / "run" / "a")["status"] == "running"
    assert commands(REDONE, tmp_path).status == 0
    assert_same_run(undisturbed, tmp_path / "run" / "a")


def test_a_half_written_checkpoint_would_be_noticed(
    tmp_path: Path, commands: Any, accepted: Callable[[Path], int | None]
) -> None:
    # Guards the guard: what `accepted` must refuse is refused.
    assert commands(PLAIN, tmp_path).status == 0
    path = tmp_path / "run" / "a.zip"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UserError, match="truncated"):
        accepted(path)
