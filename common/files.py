"""Atomic writes (write, then rename): how this project writes every file that may be read later.

A kill at any byte leaves either the old file or the new one, never a half of each.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from common.errors import UserError

# Kinds of report that a reader may ask for again and again under the same name; `train` is not among them.
REPORTS = ("evaluation", "data", "versions", "reproducibility")
LARGEST_REPORT = 64 * 2**20


def exists(path: str | Path) -> bool:
    """Whether there is something at `path`. Raises `UserError` where that cannot be told, and why."""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    # A name that is too long or holds a zero byte, a folder that may not be entered, a loop of links.
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}.") from None
    return True


def refuse_special(path: Path) -> None:
    """Raise `UserError` where `path` is there and no ordinary file: a rename would put a file in a device's place."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        # Nothing there, or no right to look: writing says which.
        return
    if stat.S_ISDIR(mode):
        raise UserError(f"cannot write: {path} is a folder; give a file name.")
    if not stat.S_ISREG(mode):
        raise UserError(f"cannot write: {path} is a device or a pipe; give a file name.")


def _new_file(path: Path) -> int:
    """A descriptor of a new, empty file at `path`; what is there is removed, a link too, and never followed."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0), 0o666)


def stage(path: str | Path, data: bytes) -> Path:
    """`data` on the disk under the temporary name that belongs to `path`, ready to be renamed; returns that name.

    Raises `UserError` where the disk is full or the place cannot be written; nothing is left behind then.
    """
    path = Path(path)
    refuse_special(path)
    # The name is fixed, not random: what a killed process left behind is overwritten by the next one.
    temporary = path.with_name(f".{path.name}.tmp")
    missing = [folder for folder in (path.parent, *path.parent.parents) if not os.path.lexists(folder)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(_new_file(temporary), "wb") as file:
            file.write(data)
            file.flush()
            # Without this a power cut after the rename could leave the new name on empty blocks.
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        for folder in missing:
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise _cannot_write(path, error) from error
    return temporary


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(f"cannot write {path}: {error.strerror or error}. Free some space or choose another place.")


def write_atomically(path: str | Path, data: bytes | str) -> None:
    """Replace the file at `path` by `data` in one step; its folder is made where it is missing.

    Raises `UserError` where the disk is full or the place cannot be written; the old file is then untouched.
    """
    path = Path(path)
    temporary = stage(path, data.encode() if isinstance(data, str) else data)
    try:
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _cannot_write(path, error) from error


def beside(out: str | Path, suffix: str) -> Path:
    """`<out><suffix>`: where a run named `out` keeps one of its files.

    Not `Path.with_suffix`, which would take the end of a name such as `gamma0.95` for a suffix.
    """
    out = Path(out)
    return out.with_name(out.name + suffix)


def meta_path(checkpoint: str | Path) -> Path:
    """`<out>.meta.json` for the checkpoint `<out>.zip`."""
    checkpoint = Path(checkpoint)
    return beside(checkpoint.with_name(checkpoint.name.removesuffix(".zip")), ".meta.json")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON; NaN and infinities are refused with a `ValueError`."""
    write_atomically(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def parse_json(data: bytes) -> Any:
    """The value of a UTF-8 JSON text. Raises `ValueError`: not UTF-8, not JSON, nested too deeply, NaN or infinite."""
    try:
        return json.loads(data.decode("utf-8"), parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def sha256(data: bytes) -> str:
    """Hexadecimal SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def report_kind(path: Path) -> str | None:
    """The kind of report in the file at `path`; None where it holds none of ours, or cannot be read."""
    try:
        if os.stat(path).st_size > LARGEST_REPORT:
            return None
        value = parse_json(path.read_bytes())
    except (OSError, ValueError):
        return None
    ours = isinstance(value, dict) and isinstance(value.get("schema_version"), int)
    return value["kind"] if ours and isinstance(value.get("kind"), str) else None


def check_report_place(path: str | Path, flag: str, kinds: Iterable[str] = REPORTS) -> None:
    """Raise `UserError` where a report at `path` would replace a file that is no report of one of `kinds`."""
    path = Path(path)
    refuse_special(path)
    if os.path.lexists(path) and report_kind(path) not in kinds:
        raise UserError(f"{flag} {path} exists and is no report of this kind; give another name.")


def check_writable(path: str | Path, need_bytes: int = 0) -> None:
    """Raise `UserError` now, before hours of work, if `path` could not be written later."""
    path = Path(path)
    refuse_special(path)
    probe = path.with_name(f".{path.name}.probe")
    try:
        write_atomically(probe, b"probe")
    except UserError as error:
        # The user knows the file that was asked for, not the one that tried the place.
        raise UserError(str(error).replace(str(probe), str(path))) from None
    probe.unlink()
    check_room(path.parent, need_bytes)


def check_room(folder: Path, need_bytes: int) -> None:
    """Raise `UserError` where `folder` has less than `need_bytes` of free space."""
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    if free < need_bytes:
        raise UserError(
            f"{folder} has {free / 2**20:.0f} MiB free and this run may need {need_bytes / 2**20:.0f} MiB. "
            "Free some space or choose another --out."
        )


@contextlib.contextmanager
def disk_trouble_named(checkpoint: Path) -> Iterator[None]:
    """Turns what a full or vanished disk raises into a `UserError` of one line."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        where = error.filename or f"beside {checkpoint}"
        raise UserError(f"cannot go on writing {where}: {error.strerror or error}. Free some space.") from error
