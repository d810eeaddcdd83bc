"""The replay buffer on disk, one file for each segment of a run, so that saving costs what was added since the last.

Restoring feeds the recorded transitions through the buffer's own `add`, so every index that the buffer keeps (episode
starts and lengths, the ring's position) comes out as it was, whichever kind of buffer it is.
"""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer

from agents.replay import EpisodeReplay
from common.errors import UserError
from common.files import sha256, write_atomically

Buffer = ReplayBuffer | EpisodeReplay


def position(buffer: Buffer | None) -> int:
    """Where the buffer stands: what `save_since` takes as `before` at the end of a segment."""
    if isinstance(buffer, EpisodeReplay):
        return buffer.added
    return 0 if buffer is None else buffer.pos


def rows_added(buffer: ReplayBuffer, before: int) -> np.ndarray:
    """Ring indices written since the buffer's position was `before`; at most one turn of the ring."""
    count = (buffer.pos - before) % buffer.buffer_size
    return (before + np.arange(count)) % buffer.buffer_size


def _keys(buffer: ReplayBuffer) -> list[str]:
    return list(buffer.observations) if isinstance(buffer.observations, dict) else []


def _arrays_since(buffer: Buffer, before: int) -> tuple[dict[str, np.ndarray], int]:
    """What was added since position `before`, and how many rows of the ring that is."""
    if isinstance(buffer, EpisodeReplay):
        return buffer.export(before), buffer.added - before
    rows = rows_added(buffer, before)
    arrays = {name: getattr(buffer, name)[rows] for name in ("actions", "rewards", "dones", "timeouts")}
    for key in _keys(buffer):
        arrays[f"obs.{key}"] = buffer.observations[key][rows]
        arrays[f"next.{key}"] = buffer.next_observations[key][rows]
    if not _keys(buffer):
        arrays["obs"], arrays["next"] = buffer.observations[rows], buffer.next_observations[rows]
    return arrays, len(rows)


def save_since(path: Path, buffer: Buffer, before: int) -> dict[str, Any] | None:
    """Write what was added since position `before`; returns the entry for the run's state, None if it is nothing."""
    arrays, rows = _arrays_since(buffer, before)
    if not rows:
        return None
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    data = stream.getvalue()
    write_atomically(path, data)
    return {"name": path.name, "rows": rows, "sha256": sha256(data)}


def _size(buffer: Buffer) -> int:
    return buffer.episodes if isinstance(buffer, EpisodeReplay) else buffer.buffer_size


def _first_needed(buffer: Buffer, entries: list[dict[str, Any]]) -> int:
    """Index of the oldest entry that the ring still holds a part of."""
    first, newer = len(entries), 0
    while first > 0 and newer < _size(buffer):
        first -= 1
        newer += entries[first]["rows"]
    return first


def prune(folder: Path, buffer: Buffer, entries: list[dict[str, Any]]) -> None:
    """Delete the files that no continued run will read, so that a long run takes no more disk than its ring."""
    for entry in entries[: _first_needed(buffer, entries)]:
        (folder / entry["name"]).unlink(missing_ok=True)


def restore(folder: Path, buffer: Buffer, entries: list[dict[str, Any]]) -> None:
    """Fill an empty `buffer` from the files that `entries` name, oldest first. Raises `UserError` on a damaged file."""
    for entry in entries:
        # The names come out of a file: none may lead out of `folder`.
        name, rows = entry.get("name"), entry.get("rows")
        if not (isinstance(name, str) and re.fullmatch(r"[0-9]{6,}\.npz", name) and type(rows) is int and rows > 0):
            raise UserError(
                f"the checkpoint beside {folder} names no replay files of ours; start anew with --overwrite."
            )
    first, size = _first_needed(buffer, entries), _size(buffer)
    # Older files were overwritten in memory: they are skipped, but the position in the ring is kept.
    skipped = sum(entry["rows"] for entry in entries[:first])
    if isinstance(buffer, EpisodeReplay):
        buffer.added = skipped
    else:
        buffer.pos = skipped % size
    if hasattr(buffer, "_current_ep_start"):
        buffer._current_ep_start[:] = buffer.pos
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
                content = {name: arrays[name] for name in arrays.files}
                if isinstance(buffer, EpisodeReplay):
                    buffer.load(content)
                else:
                    _replay(buffer, content)
        # A file with the right hash and the wrong content was made on purpose, and may raise anything.
        except Exception:
            raise UserError(damaged) from None


def _replay(buffer: ReplayBuffer, arrays: dict[str, np.ndarray]) -> None:
    keys = _keys(buffer)
    for row in range(len(arrays["rewards"])):
        observation = {k: arrays[f"obs.{k}"][row] for k in keys} if keys else arrays["obs"][row]
        following = {k: arrays[f"next.{k}"][row] for k in keys} if keys else arrays["next"][row]
        infos = [{"TimeLimit.truncated": bool(t)} for t in arrays["timeouts"][row]]
        buffer.add(observation, following, arrays["actions"][row], arrays["rewards"][row], arrays["dones"][row], infos)
