"""Episode metrics against the plainest loop that computes them, and against episodes worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from analysis.metrics import Trace, aggregate, episode_metrics, rate, smoothness, summary
from analysis.reports import EpisodeRecord


def trace(steps: int, seed: int = 0, threshold: float = 0.05) -> Trace:
    """A random episode whose `successes` follow the environment's own rule."""
    rng = np.random.default_rng(seed)
    achieved, goal = rng.uniform(-0.06, 0.06, (steps + 1, 3)), rng.uniform(-0.02, 0.02, 3)
    success = np.linalg.norm(achieved[1:] - goal, axis=1) < threshold
    return Trace(
        seed=seed, achieved_goals=achieved, desired_goal=goal, grip_positions=rng.normal(size=(steps + 1, 3)),
        rewards=np.where(success, 0.0, -1.0), successes=success, applied_actions=rng.uniform(-1, 1, (steps, 4)),
        policy_actions=rng.uniform(-2, 2, (steps, 4)), distance_threshold=threshold,
    )  # fmt: skip


def naive(t: Trace) -> dict[str, object]:
    """The definitions of DESIGN, word by word, one number at a time."""
    steps = len(t.rewards)
    distances = [math.dist(t.achieved_goals[i], t.desired_goal) for i in range(steps + 1)]
    first = next((i + 1 for i in range(steps) if t.successes[i]), None)

    def rough(actions: np.ndarray) -> float:
        return sum((x - y) ** 2 for i in range(1, steps) for x, y in zip(actions[i], actions[i - 1], strict=True))

    return {
        "seed": t.seed,
        "success": bool(t.successes[steps - 1]),
        "success_any": any(bool(s) for s in t.successes),
        "success_distance": distances[-1] < t.distance_threshold,
        "solved_at_reset": distances[0] < t.distance_threshold,
        "final_distance": distances[-1],
        "return_": sum(float(r) for r in t.rewards),
        "length": steps,
        "time_to_success": 0 if distances[0] < t.distance_threshold else first,
        "smoothness": rough(t.applied_actions),
        "peak_action": max(abs(float(x)) for row in t.applied_actions for x in row),
        "policy_smoothness": rough(t.policy_actions),
        "policy_peak_action": max(abs(float(x)) for row in t.policy_actions for x in row),
        "path_length": sum(math.dist(t.grip_positions[i], t.grip_positions[i - 1]) for i in range(1, steps + 1)),
    }


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30), st.integers(0, 2**31), st.sampled_from([0.01, 0.05, 0.08, 1.0]))
def test_metrics_equal_the_naive_loop(steps: int, seed: int, threshold: float) -> None:
    one = trace(steps, seed, threshold)
    expected = naive(one)
    found = episode_metrics(one).model_dump()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name] == (pytest.approx(value, rel=1e-9, abs=1e-12) if isinstance(value, float) else value), name


def by_hand() -> Trace:
    """Three steps along x towards a goal at 0.3 m: outside, inside, outside again."""
    x = np.array([0.0, 0.2, 0.28, 0.1])
    positions = np.stack([x, np.zeros(4), np.zeros(4)], axis=1)
    actions = np.array([[1.0, 0, 0, 0], [0.5, 0, 0, 0], [-1.0, 0, 0, 0]])
    return Trace(
        seed=4, achieved_goals=positions, desired_goal=np.array([0.3, 0, 0]), grip_positions=positions,
        rewards=np.array([-1.0, 0.0, -1.0]), successes=np.array([False, True, False]),
        applied_actions=actions, policy_actions=3 * actions, distance_threshold=0.05,
    )  # fmt: skip


def test_an_episode_by_hand() -> None:
    episode = episode_metrics(by_hand())
    assert (episode.success, episode.success_any, episode.success_distance) == (False, True, False)
    assert (episode.solved_at_reset, episode.time_to_success, episode.length) == (False, 2, 3)
    assert episode.final_distance == pytest.approx(0.2)
    assert episode.return_ == -2.0
    assert episode.smoothness == pytest.approx(0.25 + 2.25)
    assert episode.peak_action == 1.0
    assert episode.policy_smoothness == pytest.approx(9 * 2.5)
    assert episode.policy_peak_action == 3.0
    assert episode.path_length == pytest.approx(0.2 + 0.08 + 0.18)


def test_success_is_of_the_last_step_and_distance_is_judged_apart() -> None:
    never = replace(by_hand(), successes=np.zeros(3, dtype=bool))
    assert episode_metrics(never).time_to_success is None
    # An environment that says otherwise than the distance does: both are reported, neither overrules the other.
    claimed = episode_metrics(replace(by_hand(), successes=np.array([False, False, True])))
    assert (claimed.success, claimed.success_distance, claimed.time_to_success) == (True, False, 3)


def test_an_episode_that_begins_solved_needs_no_time() -> None:
    episode = episode_metrics(replace(by_hand(), desired_goal=np.array([0.01, 0, 0])))
    assert (episode.solved_at_reset, episode.time_to_success, episode.success) == (True, 0, False)


def test_single_precision_loses_nothing_that_matters() -> None:
    double = by_hand()
    names = ("achieved_goals", "desired_goal", "grip_positions", "rewards", "applied_actions", "policy_actions")
    single = replace(double, **{name: getattr(double, name).astype(np.float32) for name in names})
    assert episode_metrics(single).path_length == pytest.approx(episode_metrics(double).path_length, rel=1e-6)


def test_smoothness_of_a_constant_and_of_one_action_is_zero() -> None:
    assert smoothness(np.full((50, 4), 0.7)) == 0.0
    assert smoothness(np.ones((1, 4))) == 0.0


@pytest.mark.parametrize("name", ["achieved_goals", "rewards", "applied_actions", "policy_actions", "grip_positions"])
def test_nan_is_refused(name: str) -> None:
    values = getattr(by_hand(), name).copy()
    values[-1] = np.nan
    with pytest.raises(ValidationError):
        episode_metrics(replace(by_hand(), **{name: values}))


def test_rate_and_summary() -> None:
    # 0 of 4 by hand: high = z² / (4 + z²)
    high = pytest.approx(3.8415 / 7.8415, abs=1e-4)
    assert rate([False] * 4).model_dump() == {"n": 4, "successes": 0, "rate": 0.0, "low": 0.0, "high": high}
    assert rate([True, True, False, True]).rate == 0.75
    assert rate([]).model_dump() == {"n": 0, "successes": 0, "rate": None, "low": 0.0, "high": 1.0}
    assert summary([1.0, 3.0]).model_dump() == {"n": 2, "mean": 2.0, "std": pytest.approx(math.sqrt(2))}
    assert summary([]).model_dump() == {"n": 0, "mean": None, "std": None}


def test_aggregate_counts_without_those_solved_at_reset(make_episode: Callable[..., EpisodeRecord]) -> None:
    episodes = [
        make_episode(0, True, solved_at_reset=True, time_to_success=0),
        make_episode(1, False, solved_at_reset=True, time_to_success=0, success_any=True),
        make_episode(2, True, time_to_success=30),
        make_episode(3, False),
        make_episode(4, False, success_any=True, time_to_success=6),
    ]
    total = aggregate(episodes)
    assert (total.success.successes, total.success.n) == (2, 5)
    assert (total.success_net.successes, total.success_net.n) == (1, 3)
    assert (total.success_any.successes, total.solved_at_reset.successes) == (4, 2)
    assert (total.time_to_success.n, total.time_to_success.mean) == (4, 9.0)
    assert total.final_distance.mean == pytest.approx((2 * 0.01 + 3 * 0.2) / 5)
    assert (total.return_.n, total.return_.mean) == (5, -10.0)
    assert aggregate([]).success.rate is None
