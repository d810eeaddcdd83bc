"""Write-then-rename, the one way in which this project writes a file that somebody may read later.

A kill at any byte leaves either the old file or the new one, never a half of each.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any, NoReturn

from common.errors import UserError


def write_atomically(path: str | Path, data: bytes | str) -> None:
    """Replace the file at `path` by `data` in one step; its folder is made where it is missing.

    Raises `UserError` where the disk is full or the place cannot be written; the old file is then untouched.
    """
    path = Path(path)
    content = data.encode() if isinstance(data, str) else data
    # The name is fixed, not random: what a killed process left behind is overwritten by the next one.
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            # Without this a power cut after the rename could leave the new name on empty blocks.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise UserError(
            f"cannot write {path}: {error.strerror or error}. Free some space or choose another place."
        ) from error


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


def check_writable(path: str | Path, need_bytes: int = 0) -> None:
    """Raise `UserError` now, before hours of work, if `path` could not be written later."""
    path = Path(path)
    # Not `Path.is_dir`, which raises where the folder may not be entered or the name is too long.
    if os.path.isdir(path):
        raise UserError(f"{path} is a folder; give a file name.")
    probe = path.with_name(f".{path.name}.probe")
    try:
        write_atomically(probe, b"probe")
    except UserError as error:
        # The user knows the file that was asked for, not the one that tried the place.
        raise UserError(str(error).replace(str(probe), str(path))) from None
    probe.unlink()
    stat = os.statvfs(path.parent)
    free = stat.f_bavail * stat.f_frsize
    if free < need_bytes:
        raise UserError(
            f"{path.parent} has {free / 2**20:.0f} MiB free and this run may need {need_bytes / 2**20:.0f} MiB. "
            "Free some space or choose another --out."
        )
