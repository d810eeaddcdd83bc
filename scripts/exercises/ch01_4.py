"""Exercise 4 of chapter 01 (implement, 15 minutes): reach the goal without learning.

Fill in `act`, then check it (10 seconds; the last case plays 100 episodes of Reach):

    bash docker/dev.sh python scripts/exercises/ch01_4.py

The solution is in the chapter's page.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator

import numpy as np

from common.exercises import Case, check


def act(observation: np.ndarray, desired_goal: np.ndarray) -> np.ndarray:
    """Action (4,) in [−1, 1] that moves the gripper of Reach towards `desired_goal` (3,), in m.

    `observation` (10,): its first three numbers are the position of the gripper. Units of the action: 5 cm.
    """
    ...


def cases() -> Iterator[Case]:
    """Directions and sizes, then whole episodes."""
    start = np.zeros(10)
    start[:3] = [1.3, 0.75, 0.5]
    yield Case(
        "the goal is 2 cm to the left", (start, start[:3] + [0, 0.02, 0]), [0, 0.4, 0, 0],
        "the displacement you want is goal minus gripper; a unit of action is 5 cm, so 2 cm are 0.4",
    )  # fmt: skip
    yield Case(
        "the goal is 20 cm away, down", (start, start[:3] - [0, 0, 0.2]), [0, 0, -1, 0],
        "a request is at most 1 in size: clip it",
    )  # fmt: skip
    yield Case(
        "the gripper is at the goal", (start, start[:3]), [0, 0, 0, 0],
        "there the action is zero: the goal has to be held until the episode ends",
    )  # fmt: skip
    yield Case(
        "100 episodes: at least 95 solved", (start, start[:3]), True,
        f"solved {solved()} of 100: does every direction work, far and near?", of=lambda _: solved() >= 95,
    )  # fmt: skip


@functools.cache
def solved() -> int:
    """How many of the episodes with seeds 0 to 99 the reader's `act` solves."""
    from analysis.metrics import episode_metrics
    from envs.make import make_env
    from envs.rollout import run_episode

    class Controller:
        def predict(self, observation: dict[str, np.ndarray], deterministic: bool = True) -> tuple[np.ndarray, None]:
            action = act(observation["observation"], observation["desired_goal"])
            return np.asarray(action, dtype=np.float32), None

    env = make_env("FetchReach-v4")
    return sum(episode_metrics(run_episode(Controller(), env, seed)).success for seed in range(100))


if __name__ == "__main__":
    sys.exit(check(act, cases))
