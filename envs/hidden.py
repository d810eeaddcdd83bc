"""What an observation gives away: two tasks that differ in one thing, the same actions in both, and what differs then.

    heavy = Task("FetchPickAndPlace-v4", options={"object_mass": 4})
    compare_seen(Task("FetchPickAndPlace-v4"), heavy, actions, seed=0)

A policy knows what its observation tells it apart from, and nothing else. So a claim such as "the policy does not know
the object's mass" is a claim about bits, and this measures it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.rollout import Policy
from envs.task import Task

NOTICEABLE = 1e-3
"""Of an observation's numbers (m, m/step, rad): less than this is bits, which a policy could hardly act on."""
KEYS = ("observation", "achieved_goal", "desired_goal")


def actions_of(policy: Policy, task: Task, seed: int) -> np.ndarray:
    """The actions (T, A) of `policy` in the episode of `seed`."""
    with contextlib.closing(task.make()) as env:
        observation, done, taken = env.reset(seed=seed)[0], False, []
        while not done:
            action = policy.predict(observation, deterministic=True)[0]
            observation, _, terminated, truncated, _ = env.step(action)
            taken.append(action)
            done = terminated or truncated
    return np.stack(taken)


def observations(task: Task, actions: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """What is seen at reset and after each of `actions` (T, A): arrays (T + 1, …) by key, and `reward` (T,)."""
    with contextlib.closing(task.make()) as env:
        seen, rewards = [env.reset(seed=seed)[0]], []
        for action in actions:
            observation, reward, *_ = env.step(action)
            seen.append(observation)
            rewards.append(float(reward))
    return {key: np.stack([each[key] for each in seen]) for key in KEYS} | {"reward": np.array(rewards)}


def compare_seen(a: Task, b: Task, actions: np.ndarray, seed: int) -> dict[str, Any]:
    """For each part of the observation: the first step (0: reset) at which a bit differs, and a noticeable amount.

    `actions` (T, A) are those of both. `first_step` and `noticeable` are None where that never happens; `first_size` is
    the largest difference at the first of them, in the entry's own unit (m, m/step, rad).
    """
    first, second = observations(a, actions, seed), observations(b, actions, seed)
    found: dict[str, Any] = {}
    for key in KEYS:
        apart = np.abs(first[key] - second[key]).max(axis=1)
        bits, enough = np.flatnonzero(apart > 0), np.flatnonzero(apart > NOTICEABLE)
        found[key] = {
            "first_step": int(bits[0]) if len(bits) else None,
            "first_size": float(apart[bits[0]]) if len(bits) else 0.0,
            "noticeable": int(enough[0]) if len(enough) else None,
        }  # fmt: skip
    found["reward_differs"] = bool((first["reward"] != second["reward"]).any())
    return found


def given_away(
    env_id: str, changes: dict[str, Task], policy: Policy, seeds: Sequence[int]
) -> dict[str, dict[str, Any]]:
    """For each change of the task: in how many episodes each part of the observation tells it, and from which step on.

    `at_reset`: a bit differs before the first step; `ever`: at any step; `noticeable`: by more than `NOTICEABLE` at any
    step, the earliest of them `first_noticeable`; `largest_first` is the largest of the first differences.
    """
    plain, found = Task(env_id), {}
    taken = {seed: actions_of(policy, plain, seed) for seed in seeds}
    for name, task in changes.items():
        rows = [compare_seen(plain, task, taken[seed], seed) for seed in seeds]
        found[name] = {"episodes": len(rows), "reward": sum(row["reward_differs"] for row in rows)}
        for key in KEYS:
            steps = [row[key]["first_step"] for row in rows if row[key]["first_step"] is not None]
            enough = [row[key]["noticeable"] for row in rows if row[key]["noticeable"] is not None]
            found[name][key] = {
                "at_reset": steps.count(0), "ever": len(steps),
                "largest_first": max(row[key]["first_size"] for row in rows),
                "noticeable": len(enough), "first_noticeable": min(enough) if enough else None,
            }  # fmt: skip
    return found
