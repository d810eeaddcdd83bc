"""A checkpoint on held-out episodes of a task that may be changed: success by stratum, kinds of failure, grades.

What is known of the same weights and as many episodes is not measured again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from analysis.grasping import graded
from analysis.metrics import Trace
from analysis.reports import DataReport, load
from analysis.stress import examined, options
from common.errors import UserError
from common.files import sha256
from envs.rollout import run_episodes
from evaluation.subject import Wanted, checkpoint

Found = dict[str, dict[str, Any]]


def episodes(path: Path, env: str, n: int, changes: dict[str, float] | None = None) -> list[Trace]:
    """Traces of the seeds 0 to n - 1 under `changes` of the task. Raises `UserError` where there is no checkpoint."""
    if n < 1:
        raise UserError(f"--n-episodes {n}: at least one is needed.")
    subject = checkpoint(str(path), Wanted(env, env_option=options(changes or {})))
    return list(run_episodes(subject.make_policy, subject.task.make, range(n), 2))


def judged(path: Path, env: str, n: int, changes: dict[str, float] | None = None) -> dict[str, Any]:
    """What these episodes say of the checkpoint, and the hash of its file."""
    traces = episodes(path, env, n, changes)
    return {"sha256": sha256(path.read_bytes())} | examined(traces) | {"stages": graded(traces)}


def known(report: Path, key: str, path: Path, n: int) -> dict[str, Any] | None:
    """The entry `key` of an earlier report, where it is about these weights and `n` episodes."""
    if not (report.exists() and path.exists()):
        return None
    data = load(report, DataReport).data.get(key)
    return data if data and (data["n"], data["sha256"]) == (n, sha256(path.read_bytes())) else None


def measured(
    path: Path, env: str, asked: dict[str, dict[str, float]], n: int, report: Path, keep: Callable[[Found], Any]
) -> Found:
    """What the checkpoint does at each point of `asked`, taken from `report` where that knows it.

    `keep` is given everything known after each new point, so that an interrupted stress test goes on where it was.
    Raises `UserError` where there is no such checkpoint.
    """
    if not path.exists():
        raise UserError(f"{path} does not exist; train it first, or give another --ckpt.")
    everything, found = load(report, DataReport).data if report.exists() else {}, {}
    for point, changes in asked.items():
        found[point] = known(report, point, path, n)
        if found[point] is None:
            found[point] = everything[point] = judged(path, env, n, changes)
            keep(everything)
    return found
