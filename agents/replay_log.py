"""The replay buffer on disk, one file for each segment of a run, so that saving costs what was added since the last.

Restoring feeds the recorded transitions through the buffer's own `add`, so every index that the buffer keeps (episode
starts and lengths, the ring's position) comes out as it was, whichever kind of buffer it is.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer

from analysis.errors import UserError
from analysis.files import sha256, write_atomically


def rows_added(buffer: ReplayBuffer, before: int) -> np.ndarray:
    """Ring indices written since the buffer's position was `before`; at most one turn of the ring."""
    count = (buffer.pos - before) % buffer.buffer_size
    return (before + np.arange(count)) % buffer.buffer_size


def _keys(buffer: ReplayBuffer) -> list[str]:
    return list(buffer.observations) if isinstance(buffer.observations, dict) else []


def save_rows(path: Path, buffer: ReplayBuffer, rows: np.ndarray) -> dict[str, Any]:
    """Write the transitions at `rows` to `path`; returns the entry for the run's state (name, rows, hash)."""
    arrays = {name: getattr(buffer, name)[rows] for name in ("actions", "rewards", "dones", "timeouts")}
    for key in _keys(buffer):
        arrays[f"obs.{key}"] = buffer.observations[key][rows]
        arrays[f"next.{key}"] = buffer.next_observations[key][rows]
    if not _keys(buffer):
        arrays["obs"], arrays["next"] = buffer.observations[rows], buffer.next_observations[rows]
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    data = stream.getvalue()
    write_atomically(path, data)
    return {"name": path.name, "rows": len(rows), "sha256": sha256(data)}


def restore(folder: Path, buffer: ReplayBuffer, entries: list[dict[str, Any]]) -> None:
    """Fill an empty `buffer` from the files that `entries` name, oldest first. Raises `UserError` on a damaged file."""
    # Files from before the last whole turn of the ring were overwritten in memory; skip them, but keep the position.
    first, newer = len(entries), 0
    while first > 0 and newer < buffer.buffer_size:
        first -= 1
        newer += entries[first]["rows"]
    skipped = sum(entry["rows"] for entry in entries[:first])
    buffer.pos = skipped % buffer.buffer_size
    if hasattr(buffer, "_current_ep_start"):
        buffer._current_ep_start[:] = buffer.pos
    for entry in entries[first:]:
        path = folder / entry["name"]
        try:
            data = path.read_bytes()
        except OSError:
            raise UserError(f"{path} is missing: the run cannot be continued; start anew with --overwrite.") from None
        if sha256(data) != entry["sha256"]:
            raise UserError(f"{path} is damaged: the run cannot be continued; start anew with --overwrite.")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            _replay(buffer, {name: arrays[name] for name in arrays.files})


def _replay(buffer: ReplayBuffer, arrays: dict[str, np.ndarray]) -> None:
    keys = _keys(buffer)
    for row in range(len(arrays["rewards"])):
        observation = {k: arrays[f"obs.{k}"][row] for k in keys} if keys else arrays["obs"][row]
        following = {k: arrays[f"next.{k}"][row] for k in keys} if keys else arrays["next"][row]
        infos = [{"TimeLimit.truncated": bool(t)} for t in arrays["timeouts"][row]]
        buffer.add(observation, following, arrays["actions"][row], arrays["rewards"][row], arrays["dones"][row], infos)
