"""The replay buffer on disk, one file for each segment of a run: a save writes only what is new."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from agents.replay_protocol import DurableReplay
from common.errors import UserError
from common.files import sha256, write_atomically


def save_since(path: Path, replay: DurableReplay, before: int) -> dict[str, Any] | None:
    """Write what was added since position `before`; returns the entry for the run's state, None if it is nothing."""
    arrays = replay.export(before)
    rows = len(arrays["rewards"])
    if not rows:
        return None
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    data = stream.getvalue()
    write_atomically(path, data)
    return {"name": path.name, "rows": rows, "sha256": sha256(data)}


def _first_needed(replay: DurableReplay, entries: list[dict[str, Any]]) -> int:
    """Index of the oldest entry of which a part is still in the ring buffer."""
    first, newer = len(entries), 0
    while first > 0 and newer < replay.capacity():
        first -= 1
        newer += entries[first]["rows"]
    return first


def prune(folder: Path, replay: DurableReplay, entries: list[dict[str, Any]]) -> None:
    """Delete the files that no continued run will read, so that a long run takes no more disk than its ring buffer."""
    for entry in entries[: _first_needed(replay, entries)]:
        (folder / entry["name"]).unlink(missing_ok=True)


def restore(folder: Path, replay: DurableReplay, entries: list[dict[str, Any]]) -> None:
    """Fill an empty `replay` from the files that `entries` name, oldest first. Raises `UserError` on a damaged file."""
    for entry in entries:
        # The names come out of a file: none may lead out of `folder`.
        name, rows = entry.get("name"), entry.get("rows")
        if not (isinstance(name, str) and re.fullmatch(r"[0-9]{6,}\.npz", name) and type(rows) is int and rows > 0):
            raise UserError(
                f"the checkpoint beside {folder} names no replay files of ours; start anew with --overwrite."
            )
    first = _first_needed(replay, entries)
    # Older files were overwritten in memory: they are skipped, but the position in the ring buffer is kept.
    replay.skip(sum(entry["rows"] for entry in entries[:first]))
    for entry in entries[first:]:
        path = folder / entry["name"]
        try:
            data = path.read_bytes()
        except OSError:
            raise UserError(f"{path} is missing: the run cannot be continued; start anew with --overwrite.") from None
        damaged = f"{path} is damaged: the run cannot be continued; start anew with --overwrite."
        if sha256(data) != entry.get("sha256"):
            raise UserError(damaged)
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                replay.load({name: arrays[name] for name in arrays.files})
        # A file with the right hash and the wrong content was made on purpose, and may raise anything.
        except Exception:
            raise UserError(damaged) from None
