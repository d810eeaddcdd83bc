"""Writing in one step: whatever fails, the old file or the new one is there, and nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common import files
from common.errors import UserError
from common.files import check_report_place, check_writable, parse_json, sha256, write_atomically, write_json


def test_writes_bytes_and_text_and_makes_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deeper" / "file.txt"
    write_atomically(path, "Größe")
    assert path.read_bytes() == "Größe".encode()
    write_atomically(str(path), b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert os.listdir(path.parent) == ["file.txt"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_a_failing_call_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    path = tmp_path / "model.zip"
    write_atomically(path, b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, broken, fail)
    with pytest.raises(UserError, match="No space left on device"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.zip"]


def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.zip"
    write_atomically(path, b"old")

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(files.os, "replace", killed)
        write_atomically(path, b"half")
    assert path.read_bytes() == b"old"
    # What the kill left behind does not stop the next write, nor survive it.
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["model.zip"]


def test_the_old_file_is_complete_until_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.zip"
    write_atomically(path, b"old")
    seen = []
    rename = os.replace

    def look(source: Path, target: Path) -> None:
        seen.append((Path(source).read_bytes(), Path(target).read_bytes(), Path(source).parent))
        rename(source, target)

    monkeypatch.setattr(files.os, "replace", look)
    write_atomically(path, b"new")
    # In the same folder: a rename across file systems is not one step.
    assert seen == [(b"new", b"old", tmp_path)]


FULL_DISK = """
import resource, sys
from common.errors import UserError
from common.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomically(sys.argv[1], b"x" * 100_000)
except UserError as error:
    print(error)
    sys.exit(2)
"""


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "model.zip"
    write_atomically(path, b"old")
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (2, "")
    assert done.stdout.startswith(f"cannot write {path}: ") and done.stdout.count("\n") == 1
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["model.zip"]


def test_a_place_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for path in (tmp_path / "file" / "model.zip", tmp_path / ("x" * 300)):
        for write in (lambda path=path: write_atomically(path, b"x"), lambda path=path: check_writable(path)):
            with pytest.raises(UserError, match="cannot write"):
                write()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match="cannot write"):
        write_atomically(tmp_path / "folder", b"x")
    with pytest.raises(UserError, match="is a folder"):
        check_writable(tmp_path / "folder")


def test_a_folder_without_permission() -> None:
    folder = Path(tempfile.mkdtemp())
    user = os.geteuid()
    try:
        folder.chmod(0o555)
        if user == 0:
            # Root may write anywhere; for a moment we are nobody.
            try:
                os.seteuid(65534)
            except OSError as error:
                pytest.skip(f"cannot act as another user: {error}")
        with pytest.raises(UserError, match="Permission denied"):
            check_writable(folder / "model.zip")
        with pytest.raises(UserError, match="Permission denied"):
            write_atomically(folder / "deeper" / "model.zip", b"x")
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_check_writable_leaves_nothing_and_asks_for_space(tmp_path: Path) -> None:
    check_writable(tmp_path / "runs" / "model.zip", need_bytes=1)
    assert os.listdir(tmp_path / "runs") == []
    with pytest.raises(UserError, match="MiB free"):
        check_writable(tmp_path / "model.zip", need_bytes=2**70)


TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None, max_examples=60)
@given(value=JSON)
def test_json_comes_back_equal(tmp_path_factory: pytest.TempPathFactory, value: object) -> None:
    path = tmp_path_factory.getbasetemp() / "round-trip.json"
    write_json(path, value)
    assert parse_json(path.read_bytes()) == value


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_nan_is_neither_written_nor_read(tmp_path: Path, bad: float) -> None:
    with pytest.raises(ValueError):
        write_json(tmp_path / "x.json", {"deep": [bad]})
    assert os.listdir(tmp_path) == []
    with pytest.raises(ValueError, match="is not JSON"):
        parse_json(json.dumps({"deep": [bad]}).encode())


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"1" * 5000], ids=len)
def test_what_is_no_json_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_json(data)


def test_sha256_of_the_standards_own_example() -> None:
    # FIPS 180-2, appendix B.1
    assert sha256(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_planted_link_is_never_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep me")
    (tmp_path / ".w.zip.tmp").symlink_to(tmp_path / "precious")
    (tmp_path / ".w.zip.probe").symlink_to(tmp_path / "precious")
    check_writable(tmp_path / "w.zip")
    write_atomically(tmp_path / "w.zip", b"new")
    assert (tmp_path / "precious").read_text() == "keep me"
    assert (tmp_path / "w.zip").read_bytes() == b"new" and not (tmp_path / "w.zip").is_symlink()


@pytest.mark.parametrize("kind", ["pipe", "device", "link to a device", "folder"])
def test_what_is_no_ordinary_file_is_never_replaced(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "place"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    elif kind == "link to a device":
        path.symlink_to("/dev/full")
    else:
        path = Path("/dev/null")
    before = os.lstat(path)
    for write in (write_atomically, lambda path, _: check_writable(path), lambda path, _: check_report_place(path, "")):
        with pytest.raises(UserError, match="cannot write: .* is a"):
            write(path, b"x")
    assert os.lstat(path)[:3] == before[:3]
    assert os.listdir(tmp_path) == ([] if kind == "device" else ["place"])


@pytest.mark.parametrize(
    ("content", "kinds", "allowed"),
    [
        ({"schema_version": 1, "kind": "evaluation"}, ("evaluation",), True),
        ({"schema_version": 1, "kind": "data"}, ("evaluation",), False),
        ({"schema_version": 1, "kind": "train"}, ("evaluation", "data"), False),
        ({"kind": "evaluation"}, ("evaluation",), False), ({"schema_version": 1, "kind": []}, ("evaluation",), False),
        ([], ("evaluation",), False), (None, ("evaluation",), False),
    ],
)  # fmt: skip
def test_a_report_replaces_reports_of_its_kind_alone(
    tmp_path: Path, content: object, kinds: tuple[str, ...], allowed: bool
) -> None:
    path = tmp_path / "r.json"
    check_report_place(path, "--json-out", kinds)
    path.write_text("not JSON" if content is None else json.dumps(content))
    if allowed:
        check_report_place(path, "--json-out", kinds)
    else:
        with pytest.raises(UserError, match="--json-out .*r.json exists and is no report of this kind"):
            check_report_place(path, "--json-out", kinds)


def test_a_report_does_not_replace_a_link_into_nothing(tmp_path: Path) -> None:
    (tmp_path / "r.json").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match="exists"):
        check_report_place(tmp_path / "r.json", "--json-out")
