"""Sensors that err: how much, for how long, the same in every copy, and never on the command and the truth."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import pytest

from agents.controllers import ZeroPolicy
from analysis.metrics import episode_metrics
from common.errors import UserError
from envs.make import register
from envs.rollout import run_episode
from envs.task import Task
from tests.contract import tiny
from wrappers.noise import Autoregression
from wrappers.sensors import ANGLE, ENCODER, PARTS, SensorWrapper, sensor_matrix


@pytest.fixture(autouse=True)
def registered() -> None:
    register()
    tiny.register()


@pytest.mark.parametrize(("env_id", "copy"), [("FetchReach-v4", 0), ("FetchPush-v4", 3)])
def test_every_copy_shows_the_same_noise(env_id: str, copy: int) -> None:
    clean, noisy = Task(env_id).make(), Task(env_id, ("obs_noise:std=0.02",)).make()
    with contextlib.closing(clean), contextlib.closing(noisy):
        errors = []
        for seed in range(3):
            pair = [env.reset(seed=seed)[0] for env in (clean, noisy)]
            for _ in range(20):
                true, seen = pair
                assert np.array_equal(true["desired_goal"], seen["desired_goal"])
                errors.append(seen["observation"] - true["observation"])
                goal_error = seen["achieved_goal"] - true["achieved_goal"]
                np.testing.assert_allclose(errors[-1][copy : copy + 3], goal_error, atol=1e-12)
                action = clean.action_space.sample()
                pair = [env.step(action)[0] for env in (clean, noisy)]
    errors = np.array(errors)
    # No entry is clean, and none is a copy of another.
    assert np.all(abs(errors.std(0) / 0.02 - 1) < 0.4)
    correlations = np.corrcoef(errors.T) - np.eye(errors.shape[1])
    assert abs(correlations).max() < 0.55


def test_metrics_are_of_the_truth() -> None:
    """An idle policy's gripper sags by 4 mm, whatever the noise on its position says."""
    found = []
    for wrappers in ((), ("obs_noise:std=0.02",)):
        with contextlib.closing(Task("FetchPush-v4", wrappers).make()) as env:
            found.append([episode_metrics(run_episode(ZeroPolicy(env), env, seed)) for seed in (0, 10)])
    assert found[0] == found[1]
    assert all(0.003 < episode.path_length < 0.005 for episode in found[1])
    # Seed 10 begins solved.
    assert [episode.solved_at_reset for episode in found[1]] == [False, True]


def test_flat_observations_too() -> None:
    with contextlib.closing(Task("TinyFlat-v0", ("obs_noise:std=0.5",)).make()) as env:
        assert env.reset(seed=0)[0].std() > 0.1


def errors_of(env_id: str, text: str, episodes: int = 20, steps: int = 20) -> np.ndarray:
    """Seen minus true observation while nothing is done, (episodes, steps + 1, O)."""
    clean, noisy = Task(env_id).make(), Task(env_id, (text,)).make()
    with contextlib.closing(clean), contextlib.closing(noisy):
        rows: list[list[Any]] = []
        for seed in range(episodes):
            pairs = [tuple(env.reset(seed=seed)[0] for env in (clean, noisy))]
            for _ in range(steps):
                pairs.append(tuple(env.step(np.zeros(4, np.float32))[0] for env in (clean, noisy)))
            rows.append([seen["observation"] - true["observation"] for true, seen in pairs])
    return np.array(rows)


@pytest.mark.parametrize("rho", [0.0, 0.8, 1.0])
def test_correlated_noise_is_as_large_at_every_step(rho: float) -> None:
    generator, noise, episodes = np.random.default_rng(0), Autoregression(rho, 2000), []
    for _ in range(2):
        noise.begin()
        episodes.append([noise.draw(generator).copy() for _ in range(6)])
    found = np.array(episodes)
    assert np.allclose(found.std(axis=2), 1.0, atol=0.06)
    for lag in (1, 3):
        correlation = np.mean(found[:, lag:] * found[:, :-lag])
        assert correlation == pytest.approx(rho**lag, abs=0.03)
    # Episodes know nothing of each other.
    assert abs(np.corrcoef(found[0, -1], found[1, 0])[0, 1]) < 0.07


def test_a_bias_lasts_the_episode_and_differs_between_episodes() -> None:
    errors = errors_of("FetchReach-v4", "obs_noise:std=0.02,rho=1")
    assert np.ptp(errors, axis=1).max() < 1e-12
    assert np.allclose(errors[:, 0].std(), 0.02, atol=0.004)


def test_a_mixture_draws_the_size_of_each_episode() -> None:
    sizes = errors_of("FetchReach-v4", "obs_noise:std=0.1,mixed=true", 30, 10).std(axis=(1, 2))
    assert sizes.min() < 0.02 and 0.08 < sizes.max() < 0.12
    assert sizes.mean() == pytest.approx(0.05, abs=0.015)


def test_as_sensors_err() -> None:
    """Encoders are ten times better, angles are per half an edge, and what the task derives is derived."""
    errors = errors_of("FetchPush-v4", "obs_noise:std=0.01,scale=sensor").reshape(-1, 25)
    assert errors[:, :3].std() == pytest.approx(0.01 * ENCODER, rel=0.1)
    assert errors[:, 3:6].std() == pytest.approx(0.01, rel=0.1)
    assert errors[:, 11:14].std() == pytest.approx(0.01 * ANGLE, rel=0.1)
    np.testing.assert_allclose(errors[:, 6:9], errors[:, 3:6] - errors[:, :3], atol=1e-12)
    # Relative velocity: its own error, less the gripper's.
    assert np.corrcoef(errors[:, 14], errors[:, 20])[0, 1] < -0.03


@pytest.mark.parametrize(("env_id", "size"), [("FetchReach-v4", 10), ("FetchPush-v4", 25)])
def test_one_sensor_alone_errs_as_much_as_among_all(env_id: str, size: int) -> None:
    whole = sensor_matrix(size)
    np.testing.assert_array_equal(sum(sensor_matrix(size, part) for part in PARTS[size]), whole)
    errors = errors_of(env_id, "obs_noise:std=0.01,scale=sensor,only=gripper_velocity").reshape(-1, size)
    begin, end = PARTS[size]["gripper_velocity"]
    assert errors[:, begin:end].std() == pytest.approx(0.01 * whole[begin, begin], rel=0.1)
    # What is derived from it errs with it, as the velocity relative to the gripper does.
    errs = set(np.flatnonzero(np.abs(errors).max(axis=0)))
    assert errs == set(range(begin, end)) | (set(range(14, 17)) if size == 25 else set())


def test_a_part_that_is_not_named_leaves_no_trace_in_settings() -> None:
    """Runs from before `only` have the text without it, and go on."""
    (text,) = Task("FetchPush-v4", ("obs_noise:std=0.01",)).wrappers
    assert text == "obs_noise:std=0.01,rho=0.0,scale=unit,mixed=false,true_goals=false"


def test_true_goals_stay_and_the_copy_is_noisy() -> None:
    with contextlib.closing(Task("FetchPush-v4", ("obs_noise:std=0.02,true_goals=true",)).make()) as env:
        assert env.get_wrapper_attr("measured_goal_at")() == 3
        seen, _ = env.reset(seed=0)
        assert np.array_equal(seen["achieved_goal"], env.get_wrapper_attr("truth").achieved_goal)
        assert abs(seen["observation"][3:6] - seen["achieved_goal"]).max() > 1e-3


def test_true_goals_pass_a_filter_untouched() -> None:
    """The filter works on what is measured; the goal that hindsight is given stays the simulator's."""
    task = Task("FetchPush-v4", ("obs_noise:std=0.02,true_goals=true", "obs_lowpass:alpha=0.3"))
    with contextlib.closing(task.make()) as env:
        env.reset(seed=0)
        assert env.get_wrapper_attr("measured_goal_at")() == 3
        for _ in range(30):
            seen = env.step(np.array([1, 0, 0, 0], np.float32))[0]
            assert np.array_equal(seen["achieved_goal"], env.get_wrapper_attr("truth").achieved_goal)
        assert abs(seen["observation"][3:6] - seen["achieved_goal"]).max() > 1e-3


def test_true_goals_need_a_copy_to_measure() -> None:
    """Behind a first one there is none: the achieved goal is true and the copy of it noisy."""
    env = Task("FetchPush-v4", ("obs_noise:true_goals=true", "obs_noise:true_goals=true")).make()
    for ask in (env.get_wrapper_attr("measured_goal_at"), env.reset):
        with pytest.raises(UserError, match="holds no copy of the achieved goal"):
            ask()


def test_a_dropout_holds_the_measurement_and_its_copy() -> None:
    prob, steps, frozen, episodes, ended = 0.1, 4, 0, 60, set()
    task = Task("FetchReach-v4", ("obs_noise:std=0.01", f"obs_dropout:prob={prob},steps={steps}"))
    with contextlib.closing(task.make()) as env:
        for seed in range(episodes):
            (seen, _), lasted = env.reset(seed=seed), 0
            for _ in range(50):
                before, seen = seen, env.step(np.zeros(4, np.float32))[0]
                assert np.array_equal(seen["observation"][:3], seen["achieved_goal"])
                same = np.array_equal(before["observation"], seen["observation"])
                frozen += same
                if not same:
                    ended.add(lasted)
                lasted = lasted + 1 if same else 0
    # None begins while another lasts, though one may follow at once.
    assert {0, steps} <= ended and not any(lasted % steps for lasted in ended)
    # Of a cycle of 1/p steps of waiting and k − 1 more of the dropout, k are frozen.
    share = prob * steps / (1 + prob * (steps - 1))
    assert frozen / (50 * episodes) == pytest.approx(share, abs=0.03)


def test_a_filter_removes_what_theory_says() -> None:
    """Outside the noise it leaves σ² α / (2 − α); inside, it cannot touch it."""
    alpha, std = 0.2, 0.05
    after = Task("FetchReach-v4", (f"obs_noise:std={std}", f"obs_lowpass:alpha={alpha}"))
    before = Task("FetchReach-v4", (f"obs_lowpass:alpha={alpha}", f"obs_noise:std={std}"))
    for task, expected in ((after, std * math.sqrt(alpha / (2 - alpha))), (before, std)):
        with contextlib.closing(task.make()) as env:
            late = []
            for seed in range(12):
                first = env.reset(seed=seed)[0]["achieved_goal"]
                # y₀ = x₀: an episode begins where the gripper is, not at zero.
                assert np.abs(first - env.get_wrapper_attr("truth").achieved_goal).max() < 6 * std
                seen = [env.step(np.zeros(4, np.float32))[0] for _ in range(45)][25:]
                truth = env.get_wrapper_attr("truth").achieved_goal
                late += [row["achieved_goal"] - truth for row in seen]
                assert np.array_equal(seen[-1]["observation"][:3], seen[-1]["achieved_goal"])
        assert np.std(late) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize(
    "texts",
    [
        ("obs_noise:std=0.02,rho=0.9",),
        ("obs_noise:std=0.05,mixed=true,scale=sensor",),
        ("obs_dropout:prob=0.3,steps=3",),
        ("obs_noise:std=0.02", "obs_lowpass:alpha=0.3"),
        ("action_noise:std=0.2,rho=0.9",),
    ],
)
def test_an_episode_follows_from_its_seed(texts: tuple[str, ...]) -> None:
    """Whatever ran before it in the same environment."""
    with contextlib.closing(Task("FetchReach-v4", texts).make()) as env:
        found = []
        for seed in (3, 4, 3):
            env.reset(seed=seed)
            found.append([env.step(np.full(4, 0.5, np.float32))[0]["observation"] for _ in range(8)])
    assert np.array_equal(found[0], found[2]) and not np.array_equal(found[0], found[1])


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("action_noise:rho=-0.5", "rho must lie"),
        ("obs_noise:std=-0.1", "std must not be negative"),
        ("obs_noise:std=NaN", "expected float"),
        ("obs_noise:rho=1.5", "rho must lie between 0 and 1"),
        ("obs_noise:scale=metres", "expected"),
        ("obs_noise:only=fingers", "only needs scale=sensor"),
        ("obs_noise:scale=sensor,only=angles", "only must be one of gripper, fingers"),
        ("obs_noise:sdt=0.1", "Did you mean std"),
        ("obs_dropout:prob=2", "prob must lie"),
        ("obs_dropout:steps=0", "steps must lie"),
        ("obs_lowpass:alpha=0", "alpha must lie"),
    ],
)
def test_bad_arguments(text: str, what: str) -> None:
    with pytest.raises(UserError, match=what):
        Task("FetchReach-v4", (text,)).make()


def test_a_constant_pull_moves_an_idle_arm() -> None:
    """White noise of the same size averages out; a constant pull of 0.2 is 1 cm a step."""
    moved = {}
    for rho in (0.0, 1.0):
        with contextlib.closing(Task("FetchReach-v4", (f"action_noise:std=0.2,rho={rho}",)).make()) as env:
            moved[rho] = [episode_metrics(run_episode(ZeroPolicy(env), env, seed)).final_distance for seed in range(4)]
    assert np.mean(moved[1.0]) > 1.5 * np.mean(moved[0.0])


def test_flat_observations_have_no_sensors_and_no_goals() -> None:
    for text in ("obs_noise:scale=sensor", "obs_noise:true_goals=true"):
        with pytest.raises(UserError):
            Task("TinyFlat-v0", (text,)).make()


def test_a_sensor_that_measures_nothing_is_not_built() -> None:
    with pytest.raises(TypeError, match="abstract.*measure"):
        SensorWrapper(Task("FetchPush-v4").make())
