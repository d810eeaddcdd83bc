"""Kinds of failure, each on an episode drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.failures import KINDS, failures, in_air, kind_of_failure, stratified
from analysis.metrics import Trace

TABLE = 0.42


Point = tuple[float, float, float]


def episode(places: list[Point], grip: str, goal: Point) -> Trace:
    """The object goes through `places` (relative to its start); the gripper holds it at the end, or is elsewhere."""
    achieved = np.array(places) + [1.3, 0.75, TABLE]
    grips = achieved + ([0.0, 0.0, 0.0] if grip == "held" else [0.1, 0.1, 0.1])
    target = np.array(goal) + [1.3, 0.75, TABLE]
    inside = np.linalg.norm(achieved - target, axis=1) < 0.05
    n = len(places) - 1
    return Trace(
        seed=0, achieved_goals=achieved, desired_goal=target, grip_positions=grips, rewards=inside[1:] - 1.0,
        successes=inside[1:], applied_actions=np.zeros((n, 4)), policy_actions=np.zeros((n, 4)),
        distance_threshold=0.05,
    )  # fmt: skip


AIR, FAR = (0.1, 0.0, 0.2), (0.2, 0.0, 0.0)
CASES = [
    ("never touched", episode([(0, 0, 0), (0.001, 0, 0), (0.001, 0, 0)], "away", FAR)),
    ("missed grasp", episode([(0, 0, 0), (0.05, 0, 0), (0.09, 0, 0.005)], "away", AIR)),
    ("dropped", episode([(0, 0, 0), (0.05, 0, 0.1), (0.06, 0, 0)], "away", AIR)),
    ("out of reach", episode([(0, 0, 0), (0.02, 0, 0.05), (0.03, 0, 0.1)], "held", (0.3, 0, 0.3))),
    ("overshoot", episode([(0, 0, 0), (0.2, 0, 0), (0.3, 0, 0)], "away", FAR)),
    ("short", episode([(0, 0, 0), (0.05, 0, 0), (0.1, 0, 0)], "away", FAR)),
    (None, episode([(0, 0, 0), (0.1, 0, 0), (0.19, 0, 0)], "away", FAR)),
]


@pytest.mark.parametrize(("kind", "trace"), CASES, ids=[str(kind) for kind, _ in CASES])
def test_each_kind_has_its_name(kind: str | None, trace: Trace) -> None:
    assert kind_of_failure(trace) == kind


def test_counts_and_strata_add_up() -> None:
    traces = [trace for _, trace in CASES]
    assert failures(traces) == dict.fromkeys(KINDS, 1)
    rates = stratified(traces)
    assert (rates["all"].n, rates["all"].successes) == (7, 1)
    assert rates["air"].n == sum(map(in_air, traces)) == 3 and rates["air"].n + rates["table"].n == 7
    assert rates["air"].low == 0.0 and 0 < rates["air"].high < 1
