"""Accidental shaping, looked for: what observations give away, and what a constant on the reward does to a policy."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agents.controllers import CONTROLLERS
from analysis.metrics import Trace, rate
from analysis.sweeps import aligned
from envs.hidden import KEYS, given_away
from envs.rollout import run_episodes
from envs.task import Task
from evaluation.subject import Wanted, checkpoint

# One thing at a time that the page says is, or is not, in an observation.
CHANGES: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "object mass x 4": ((), {"object_mass": 4.0}),
    "object friction x 0.25": ((), {"object_friction": 0.25}),
    "object size x 1.2": ((), {"object_size": 1.2}),
    "time limit of 100 steps": ((), {"max_episode_steps": 100}),
    "reward + 1": (("reward_shift:by=1",), {}),
    "goals of a narrow range": ((), {"goal_range": 0.05, "air_fraction": 0.1}),
}


def given_away_here(env_id: str, seeds: Sequence[int]) -> dict[str, Any]:
    """`envs.hidden.given_away` for `CHANGES`, while the scripted controller grasps."""
    with contextlib.closing(Task(env_id).make()) as env:
        policy = CONTROLLERS.build("scripted", env)
    tasks = {name: Task(env_id, wrappers, options) for name, (wrappers, options) in CHANGES.items()}
    return given_away(env_id, tasks, policy, seeds)


def shifted(path: Path, env_id: str, n: int, by: float = 1.0) -> dict[str, Any]:
    """The checkpoint's episodes of seeds 0 to n - 1 with and without `by` on every reward, compared bit for bit."""
    traces: list[list[Trace]] = []
    for wrappers in ((), (f"reward_shift:by={by:g}",)):
        subject = checkpoint(str(path), Wanted(env_id, wrap=wrappers))
        traces.append(list(run_episodes(subject.make_policy, subject.task.make, range(n), 2)))
    plain, moved = traces
    equal = [
        np.array_equal(a.policy_actions, b.policy_actions) and np.array_equal(a.achieved_goals, b.achieved_goals)
        for a, b in zip(plain, moved, strict=True)
    ]
    return {
        "by": by, "n": n, "episodes_equal_bit_for_bit": sum(equal),
        "plain": rate([bool(t.successes[-1]) for t in plain]).model_dump(),
        "moved": rate([bool(t.successes[-1]) for t in moved]).model_dump(),
    }  # fmt: skip


def shaping_text(found: dict[str, Any]) -> str:
    """Both as aligned text."""
    rows = []
    for name, change in found["hidden"].items():
        cells = []
        for key in KEYS:
            part = change[key]
            since = f" (from step {part['first_noticeable']})" if part["noticeable"] else ""
            cells.append(f"{part['at_reset']}, {part['ever']}, {part['noticeable']}{since}")
        rows.append([name, str(change["episodes"]), *cells, str(change["reward"])])
    header = ("changed", "episodes", *[f"{key}: at reset, ever, > 1 mm" for key in KEYS], "reward")
    both = found["shifted"]
    line = (
        f"reward + {both['by']:g}: {both['episodes_equal_bit_for_bit']} of {both['n']} episodes of the trained policy "
        "are equal bit for bit"
    )
    return f"in how many episodes the observation tells the change\n{aligned(header, rows)}\n{line}"
