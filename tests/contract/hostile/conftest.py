"""A folder with good and bad files, and the one way in which a hostile case is judged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract import tiny
from tests.contract.runs import TINY


def snapshot(folder: Path) -> dict[str, str]:
    """Everything below `folder`: the hash of a file, the kind of what is none."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"link to {os.readlink(path)}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder" if path.is_dir() else "special"
    return found


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a finished run `a`."""
    import train

    tiny.register()
    folder = tmp_path_factory.mktemp("trained")
    with contextlib.chdir(folder):
        assert train.main([*TINY.split()[1:], "--out", "a"]) == 0
    return folder


@pytest.fixture
def place(trained: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(trained, tmp_path / "place"))


@pytest.fixture(scope="module")
def shared(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy for cases that change nothing, with things in the way."""
    folder = tmp_path_factory.mktemp("hostile") / "shared"
    shutil.copytree(trained, folder)
    (folder / "file").write_text("a file")
    (folder / "notes.json").write_text('{"mine": 1}')
    (folder / "bad.zip").write_bytes(b"PK\x03\x04 no zip")
    (folder / "folder.zip").mkdir()
    (folder / "loop.zip").symlink_to("loop.zip")
    (folder / "dangling.zip").symlink_to("nowhere.zip")
    os.mkfifo(folder / "pipe.zip")
    os.mkfifo(folder / "pipe.json")
    shutil.copy(folder / "a.zip", folder / "alone.zip")
    return folder


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
    """`refused(command, folder)`: one line, exit status 2, nothing in the folder changed; returns the line.

    In this process: hundreds of cases take seconds. One that hangs is ended by an alarm.
    """
    import eval
    import train

    programs = {"train": train.main, "eval": eval.main}

    def judge(command: str | list[str], folder: Path, status: int = 2) -> str:
        program, *argv = command.split() if isinstance(command, str) else command
        before = snapshot(folder)
        monkeypatch.chdir(folder)
        signal.alarm(120)
        found = programs[program](argv)
        signal.alarm(0)
        out, err = capsys.readouterr()
        assert found == status, err
        assert err.count("\n") == 1 and out == "", (out, err)
        line = err.rstrip("\n")
        assert line.startswith("error: " if status == 2 else "failed: ")
        assert len(line) < 1000 and line.isprintable(), line
        assert snapshot(folder) == before
        return line

    def hangs(*_: object) -> None:
        raise TimeoutError("this case hangs")

    tiny.register()
    before = signal.signal(signal.SIGALRM, hangs)
    yield judge
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
