"""Many points at once: policies and controllers over wrappers and seeds, one row an episode.

    points = [Point("checkpoints/reference/FetchPush-v4.zip", "FetchPush-v4", (f"lowpass:alpha={a}",), {"alpha": a})
              for a in (1.0, 0.5)]
    for found in evaluate_grid(points, range(200), control_row, acting, keep="runs/ch06/grid"):
        print(found.point.labels, rate(found.column("success")))

`eval.py` makes a report of one policy in one task. A study has a hundred of them and wants its own metrics, so here a
function of the record of an episode says what is kept. A point that was evaluated is kept in a file, and an
interrupted study goes on with the next one.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from analysis.metrics import Trace
from common.errors import UserError
from common.files import parse_json, write_json
from common.provenance import code_hash, git_state
from envs.rollout import run_episodes
from evaluation.subject import Subject, Wanted, checkpoint, controller

# What a study keeps of an episode: numbers by name, the same names for every episode.
Row = dict[str, Any]


@dataclass(frozen=True)
class Point:
    """Who acts (`agent`: a checkpoint's .zip, or a controller by name), in what, and what the caller calls it."""

    agent: str
    env_id: str
    wrap: tuple[str, ...] = ()
    """Around the task that the checkpoint was trained in."""
    labels: dict[str, Any] = field(default_factory=dict)
    """JSON values such as {"alpha": 0.5}; they change nothing."""
    env_option: tuple[str, ...] = ()
    trained_wraps: bool = True
    """False leaves the wrappers of training out."""

    def subject(self) -> Subject:
        """Policy and task. Raises `UserError`."""
        wanted = Wanted(self.env_id, self.wrap, self.env_option, self.trained_wraps)
        return checkpoint(self.agent, wanted) if self.is_checkpoint else controller(self.agent, wanted)

    @property
    def is_checkpoint(self) -> bool:
        """Whether `agent` is a file."""
        return self.agent.endswith(".zip")


@dataclass(frozen=True)
class Found:
    """A point and its episodes, in the order of the seeds."""

    point: Point
    rows: list[Row]
    seconds: float
    """That the episodes took, on how many threads it was asked for."""
    checkpoint_sha256: str | None = None

    def column(self, name: str) -> list[Any]:
        """One metric, an entry an episode."""
        return [row[name] for row in self.rows]


def evaluate_grid(
    points: Iterable[Point],
    seeds: Sequence[int],
    measure: Callable[[Trace], Row],
    faster: Callable[[Any], Any] | None = None,
    n_envs: int = 1,
    keep: str | Path | None = None,
    tell: Callable[[Found], None] | None = None,
) -> list[Found]:
    """Every point over the same `seeds`, in order; `measure` turns the record of an episode into its row.

    Deterministic policies. `faster`: `agents.acting.acting`, which acts as the policy does in less time. `keep`: a
    folder; a point that is found there, of the same code, checkpoint, metrics and seeds, is not run again. `tell`
    gets each point as it is ready. Raises `UserError` on a point that cannot be made, before anything runs.
    """
    points, seeds = list(points), [int(seed) for seed in seeds]
    if not points or not seeds:
        raise UserError("a grid needs at least one point and one seed.")
    torch.set_num_threads(1)
    # Everything is made once before the first episode runs: a mistake in the last point is told at once.
    subjects = [point.subject() for point in points]
    results = []
    for point, subject in zip(points, subjects, strict=True):
        path = Path(keep) / f"{_key(point, subject, seeds, measure)}.json" if keep else None
        found = _read(path, point) if path else None
        if found is None:
            found = _evaluate(point, subject, seeds, measure, faster, n_envs)
            if path:
                write_json(path, asdict(found))
        results.append(found)
        if tell:
            tell(found)
    return results


def _evaluate(
    point: Point, subject: Subject, seeds: list[int], measure: Callable[[Trace], Row],
    faster: Callable[[Any], Any] | None, n_envs: int,
) -> Found:  # fmt: skip
    def make_policy() -> Any:
        policy = subject.make_policy()
        return (faster(policy) if faster and point.is_checkpoint else None) or policy

    began = time.monotonic()
    traces = run_episodes(make_policy, subject.task.make, seeds, n_envs if subject.parallel else 1)
    rows = [{"seed": trace.seed, **measure(trace)} for trace in traces]
    return Found(point, rows, round(time.monotonic() - began, 3), subject.checkpoint_sha256)


def _key(point: Point, subject: Subject, seeds: list[int], measure: Callable[[Trace], Row]) -> str:
    """A name for what decides the rows; labels do not."""
    task = subject.task
    decides = [subject.name, subject.checkpoint_sha256, task.env_id, task.wrappers, task.options, seeds,
               f"{measure.__module__}.{measure.__qualname__}", git_state()[0], code_hash()]  # fmt: skip
    return hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:20]


def _read(path: Path, point: Point) -> Found | None:
    """What an earlier call kept; None where there is nothing that can be read."""
    try:
        value = parse_json(path.read_bytes())
        return Found(point, value["rows"], value["seconds"], value["checkpoint_sha256"])
    except (OSError, ValueError, KeyError, TypeError, UserError):
        return None
