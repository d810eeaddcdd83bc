"""The files of a run: what is written at the end of each segment, and what a continued run reads back."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, NonNegativeFloat, NonNegativeInt, TypeAdapter, ValidationError
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.checkpoint import pack, read_state, restore
from agents.replay_protocol import durable
from common.errors import UserError
from common.files import beside, meta_path, write_atomically
from persistence import replay_log


@dataclass
class RunState:
    """How far a run is; plain JSON inside the checkpoint, checked against these types when it is read."""

    __pydantic_config__ = ConfigDict(extra="forbid", allow_inf_nan=False)

    config_hash: str
    segment: NonNegativeInt = 0
    steps: NonNegativeInt = 0
    updates: NonNegativeInt = 0
    episodes: NonNegativeInt = 0
    # Seconds of training alone, and with evaluations and checkpoints.
    training_s: NonNegativeFloat = 0.0
    wall_clock_s: NonNegativeFloat = 0.0
    metric_bytes: NonNegativeInt = 0
    resumed: NonNegativeInt = 0
    replay: list[dict[str, Any]] = field(default_factory=list)
    evaluations: list[dict[str, Any]] = field(default_factory=list)
    # Last training episodes, for the success rate that the progress bar shows.
    episode_infos: list[dict[str, float]] = field(default_factory=list)
    episode_successes: list[float] = field(default_factory=list)
    # What each callback that keeps something said at the end of the last segment, by the callback's name.
    callbacks: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class RunFiles:
    """Where a run named `out` keeps what."""

    out: Path

    @property
    def checkpoint(self) -> Path:
        """The policy with everything that a continued run needs but the replay; one rename makes it valid."""
        return beside(self.out, ".zip")

    @property
    def meta(self) -> Path:
        """What the checkpoint is and how it was made."""
        return meta_path(self.checkpoint)

    @property
    def metrics(self) -> Path:
        """Metrics, a JSON object a line."""
        return beside(self.out, ".metrics.jsonl")

    @property
    def replay(self) -> Path:
        """Folder of the replay files; removed when the run finishes."""
        return beside(self.out, ".replay")

    @property
    def dump(self) -> Path:
        """State of a run that met a NaN."""
        return beside(self.out, ".failed.npz")

    @property
    def warnings(self) -> Path:
        """What the early warning found (ppo)."""
        return self.out.with_name(self.out.name + ".warnings.json")

    @property
    def tensorboard(self) -> Path:
        """Folder of the TensorBoard logs: `runs/<name>` for `checkpoints/<name>`; elsewhere no other run's either."""
        if self.out.parent == Path("checkpoints"):
            return Path("runs") / self.out.name
        digest = hashlib.sha256(str(self.out).encode()).hexdigest()[:8]
        return Path("runs") / f"{self.out.name}-{digest}"

    def signature(self) -> tuple[tuple[int, ...] | None, ...]:
        """Which files checkpoint and metadata are right now: differs once another process has written them."""

        def of(path: Path) -> tuple[int, ...] | None:
            if not path.exists():
                return None
            status = path.stat()
            return status.st_ino, status.st_mtime_ns, status.st_size

        return of(self.checkpoint), of(self.meta)


def record(state: RunState, model: BaseAlgorithm) -> None:
    """Put the counters of `model` into `state`."""
    state.steps, state.updates = model.num_timesteps, model._n_updates
    state.episodes = getattr(model, "_episode_num", 0)
    state.episode_infos = [{key: float(info[key]) for key in ("r", "l", "t")} for info in model.ep_info_buffer or ()]
    state.episode_successes = [float(s) for s in model.ep_success_buffer or ()]


def save(files: RunFiles, model: BaseAlgorithm, state: RunState, position_before: int) -> None:
    """Write the replay rows of this segment, then the checkpoint that names them: the rename commits both."""
    replay = durable(model)
    if replay is not None:
        entry = replay_log.save_since(files.replay / f"{state.segment:06d}.npz", replay, position_before)
        if entry:
            state.replay = [*state.replay, entry]
    record(state, model)
    write_atomically(files.checkpoint, pack(model, asdict(state)))
    if replay is not None:
        # Only now: until the rename the last checkpoint may still need them.
        replay_log.prune(files.replay, replay, state.replay)


def load_state(files: RunFiles) -> RunState:
    """The state of the run in `files`. Raises `UserError` where the checkpoint is damaged or of another project."""
    try:
        return TypeAdapter(RunState).validate_python(read_state(files.checkpoint))
    except ValidationError:
        raise UserError(f"{files.checkpoint} was written by another version; start anew with --overwrite.") from None


def resume(files: RunFiles, model: BaseAlgorithm, state: RunState) -> None:
    """Bring a fresh `model` to where the run in `files` stood."""
    restore(model, files.checkpoint)
    if (replay := durable(model)) is not None:
        replay_log.restore(files.replay, replay, state.replay)
    model.num_timesteps, model._n_updates = state.steps, state.updates
    model._episode_num = state.episodes
    window = model._stats_window_size
    model.ep_info_buffer = deque(state.episode_infos, maxlen=window)
    model.ep_success_buffer = deque(state.episode_successes, maxlen=window)
