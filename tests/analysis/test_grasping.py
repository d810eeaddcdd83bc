"""Grades of an episode: each stage on an episode drawn by hand, and the verdict over many."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.grasping import IN_A_ROW, STAGES, graded, graded_text, stages_of
from analysis.metrics import Trace

AIR, TABLE = (0.1, 0.0, 0.2), (0.2, 0.0, 0.0)


def episode(heights: list[float], gap: float, goal: tuple[float, float, float] = AIR, slide: float = 0.0) -> Trace:
    """The object rises through `heights`, slides by `slide` in all, and the gripper is `gap` m above its centre."""
    n = len(heights)
    places = np.stack([np.linspace(0, slide, n), np.zeros(n), np.array(heights)], axis=1) + [1.3, 0.75, 0.42]
    target = np.array(goal) + [1.3, 0.75, 0.42]
    inside = np.linalg.norm(places - target, axis=1) < 0.05
    return Trace(
        seed=0, achieved_goals=places, desired_goal=target, grip_positions=places + [0, 0, gap],
        rewards=inside[1:] - 1.0, successes=inside[1:], applied_actions=np.tile([[1.0], [-1.0]], (n, 4))[: n - 1],
        policy_actions=np.zeros((n - 1, 4)), distance_threshold=0.05,
    )  # fmt: skip


def reached(trace: Trace) -> list[str]:
    return [stage for stage, yes in stages_of(trace).items() if yes]


def test_each_stage_asks_for_more_than_the_one_before() -> None:
    flat, up = [0.0] * 12, [0.0, *[0.03] * 11]
    assert reached(episode(flat, 0.2)) == []
    assert reached(episode(flat, 0.045)) == ["reach"]
    assert reached(episode(flat, 0.045, slide=0.1)) == ["reach", "touch"]
    assert reached(episode(up, 0.01)) == ["reach", "touch", "grasp"]
    assert reached(episode([0.0, *[0.1] * 11], 0.01)) == ["reach", "touch", "grasp", "lift"]
    assert reached(episode([0.0, *[0.2] * 11], 0.01, slide=0.1)) == list(STAGES)


def test_a_bounce_and_a_block_that_flies_alone_are_no_grasp() -> None:
    bounce = [0.0, *[0.03] * (IN_A_ROW - 1), *[0.0] * 3, *[0.03] * (IN_A_ROW - 1)]
    assert "grasp" not in reached(episode(bounce, 0.01))
    assert "grasp" not in reached(episode([0.0, *[0.1] * 11], 0.045))


def test_the_verdict_is_about_goals_in_the_air() -> None:
    on_table = [episode([0.0] * 12, 0.045, TABLE, slide=0.2)] * 3
    found = graded([episode([0.0, *[0.03] * 11], 0.01), episode([0.0] * 12, 0.045, slide=0.1), *on_table])
    assert found["verdict"] == "grasp" and found["air"]["grasp"]["n"] == 2 and found["table"]["place"]["rate"] == 1.0
    assert found["all"]["place"]["successes"] == 3
    # ±1 in four components at every step: 4 × 2² a step
    assert found["smoothness"]["mean"] == pytest.approx(16.0)
    assert "verdict on goals in the air: grasp" in graded_text(found)
    assert graded(on_table)["verdict"] == "nothing"
    with pytest.raises(ValueError, match="no episodes"):
        graded([])
