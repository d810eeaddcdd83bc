"""What makes a replay buffer durable: the protocol through which checkpoints and resumed runs use any of them.

`EpisodeReplay` follows it; `StockReplay` puts it around Stable-Baselines3's buffers.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer


class DurableReplay(Protocol):
    """A ring buffer of rows, whatever a row is: a transition of every environment, or an episode."""

    row_transitions: int
    """Transitions in a row."""

    def capacity(self) -> int:
        """Number of rows in the ring buffer."""
        ...

    def position(self) -> int:
        """Position of the ring buffer, as `export` takes it."""
        ...

    def export(self, since: int) -> dict[str, np.ndarray]:
        """The N rows added since `position` was `since`, oldest first, as arrays (N, …) by name."""
        ...

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Add N exported rows, arrays (N, …) by name."""
        ...

    def skip(self, rows: int) -> None:
        """Move, empty, to the position after `rows` rows that are no longer needed."""
        ...


class StockReplay:
    """Stable-Baselines3's buffers. A row is one step of all environments.

    Rows go back in through the buffer's own `add`, so that every index which it keeps (episode starts and lengths)
    comes out as it was, whichever kind of buffer it is.
    """

    def __init__(self, buffer: ReplayBuffer):
        self.buffer, self.row_transitions = buffer, buffer.n_envs
        self.keys = list(buffer.observations) if isinstance(buffer.observations, dict) else []

    def capacity(self) -> int:
        """Number of rows in the ring buffer."""
        return self.buffer.buffer_size

    def position(self) -> int:
        """The row that is written next."""
        return self.buffer.pos

    def rows_since(self, since: int) -> np.ndarray:
        """Indices (N,) written since the position was `since`; at most one turn of the ring buffer."""
        count = (self.buffer.pos - since) % self.buffer.buffer_size
        return (since + np.arange(count)) % self.buffer.buffer_size

    def export(self, since: int) -> dict[str, np.ndarray]:
        """The N rows added since the position was `since`, as arrays (N, n_envs, …) by name."""
        buffer, rows = self.buffer, self.rows_since(since)
        arrays = {name: getattr(buffer, name)[rows] for name in ("actions", "rewards", "dones", "timeouts")}
        for key in self.keys:
            arrays[f"obs.{key}"] = buffer.observations[key][rows]
            arrays[f"next.{key}"] = buffer.next_observations[key][rows]
        if not self.keys:
            arrays["obs"], arrays["next"] = buffer.observations[rows], buffer.next_observations[rows]
        return arrays

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Add N exported rows, arrays (N, n_envs, …) by name, one by one."""
        for row in range(len(arrays["rewards"])):
            observation, following = (self._at(arrays, name, row) for name in ("obs", "next"))
            infos = [{"TimeLimit.truncated": bool(t)} for t in arrays["timeouts"][row]]
            known = (arrays[name][row] for name in ("actions", "rewards", "dones"))
            self.buffer.add(observation, following, *known, infos)

    def _at(self, arrays: dict[str, np.ndarray], name: str, row: int) -> Any:
        return {key: arrays[f"{name}.{key}"][row] for key in self.keys} if self.keys else arrays[name][row]

    def skip(self, rows: int) -> None:
        """Move on without data."""
        self.buffer.pos = rows % self.buffer.buffer_size
        if hasattr(self.buffer, "_current_ep_start"):
            self.buffer._current_ep_start[:] = self.buffer.pos


def durable(model: Any) -> DurableReplay | None:
    """The replay of `model`; None where it has none."""
    buffer = getattr(model, "replay_buffer", None)
    return StockReplay(buffer) if isinstance(buffer, ReplayBuffer) else buffer


def disk_bytes(model: Any, transitions: int) -> int:
    """Room (bytes) that `transitions` more of `model` take in the files of its replay, at most its whole ring buffer.

    Episodes count as full ones; the real arrays say what a row takes, images included.
    """
    replay = durable(model)
    if replay is None:
        return 0
    none = replay.export(replay.position())
    row = sum(math.prod(array.shape[1:]) * array.itemsize for array in none.values())
    return row * min(replay.capacity(), math.ceil(transitions / replay.row_transitions))
