"""Scaling, low-pass filter, delay and noise of actions: the equation of each, seen at the simulator."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest

from common.errors import UserError
from envs.make import register
from envs.rollout import run_episode
from envs.task import Task
from tests.contract import tiny


@pytest.fixture(autouse=True)
def registered() -> None:
    register()
    tiny.register()


def applied(wrap: str, actions: np.ndarray, seed: int = 0) -> np.ndarray:
    """(T, 2) what reaches the simulator when these (T, 2) are sent."""
    with contextlib.closing(Task("TinyReach-v0", (wrap,) if wrap else ()).make()) as env:
        env.reset(seed=seed)
        found = []
        for action in actions.astype(np.float32):
            env.step(action)
            found.append(env.get_wrapper_attr("applied_action"))
        return np.array(found)


ACTIONS = np.random.default_rng(0).uniform(-1.5, 1.5, (8, 2))
CLIPPED = ACTIONS.clip(-1, 1)


def test_without_a_wrapper() -> None:
    np.testing.assert_allclose(applied("", ACTIONS), CLIPPED, rtol=1e-6)


@pytest.mark.parametrize("factor", [0.25, 1.0, 2.0])
def test_scaling(factor: float) -> None:
    np.testing.assert_allclose(applied(f"scale:factor={factor}", ACTIONS), (factor * ACTIONS).clip(-1, 1), rtol=1e-6)


@pytest.mark.parametrize("alpha", [0.1, 0.5, 1.0])
def test_a_low_pass_filter(alpha: float) -> None:
    # u_t = Σ_k α (1 − α)^k a_{t−k}
    expected = [sum(alpha * (1 - alpha) ** k * CLIPPED[t - k] for k in range(t + 1)) for t in range(len(CLIPPED))]
    np.testing.assert_allclose(applied(f"lowpass:alpha={alpha}", ACTIONS), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_a_delay(steps: int) -> None:
    expected = np.concatenate([np.zeros((steps, 2)), CLIPPED[: len(CLIPPED) - steps]])
    np.testing.assert_allclose(applied(f"delay:steps={steps}", ACTIONS), expected, rtol=1e-6)


def test_the_record_of_an_episode_has_what_was_asked_and_what_was_done() -> None:
    policy = SimpleNamespace(predict=lambda observation, deterministic: (np.full(2, 0.8, np.float32), None))
    with contextlib.closing(Task("TinyReach-v0", ("scale:factor=0.5",)).make()) as env:
        trace = run_episode(policy, env, seed=0)
    np.testing.assert_allclose(trace.policy_actions, 0.8, rtol=1e-6)
    np.testing.assert_allclose(trace.applied_actions, 0.4, rtol=1e-6)


def test_noise_is_of_the_asked_size_and_of_the_seed() -> None:
    still = np.zeros((10, 2))
    samples = np.concatenate([applied("action_noise:std=0.2", still, seed) for seed in range(200)])
    # 4,000 draws: the standard error of the spread is 0.0022, that of the mean 0.0032.
    assert abs(samples.std() - 0.2) < 0.01 and abs(samples.mean()) < 0.013
    assert np.array_equal(applied("action_noise:std=0.2", still, 3), applied("action_noise:std=0.2", still, 3))
    np.testing.assert_allclose(applied("action_noise:std=0", ACTIONS), CLIPPED, rtol=1e-6)


@pytest.mark.parametrize("wrap", ["lowpass:alpha=0.2", "delay:steps=2", "action_noise", "scale", "obs_noise"])
def test_an_episode_begins_afresh(wrap: str) -> None:
    """Filters forget, and noise follows from the seed alone, whatever ran before."""

    def episode(env: gym.Env, seed: int) -> list[float]:
        observation, _ = env.reset(seed=seed)
        found = [*observation["desired_goal"], *observation["observation"]]
        for action in ACTIONS.astype(np.float32):
            found += [*env.step(action)[0]["observation"]]
        return found

    with contextlib.closing(Task("TinyReach-v0", (wrap,)).make()) as env:
        first, other = episode(env, 5), episode(env, 6)
        assert episode(env, 5) == first != other


def test_wrappers_of_a_stack_draw_apart() -> None:
    still = np.zeros((50, 2))
    with contextlib.closing(Task("TinyReach-v0", ("action_noise:std=0.1",) * 2).make()) as env:
        inner, outer = env.env.env, env.env
        env.reset(seed=0)
        assert not np.array_equal(inner.generator.normal(size=9), outer.generator.normal(size=9))
    alone, both = applied("action_noise:std=0.1", still), []
    with contextlib.closing(Task("TinyReach-v0", ("action_noise:std=0.1",) * 2).make()) as env:
        env.reset(seed=0)
        for action in still.astype(np.float32):
            env.step(action)
            both.append(env.get_wrapper_attr("applied_action"))
    # √2 · 0.1, were they equal 2 · 0.1
    assert np.std(both) < 0.165 < 1.4 * np.std(alone) * 1.3


@pytest.mark.parametrize(
    "wrap",
    ["scale:factor=0", "scale:factor=-1", "lowpass:alpha=0", "lowpass:alpha=1.1", "delay:steps=-1", "delay:steps=2000",
     "action_noise:std=-1", "obs_noise:std=-0.1"],
)  # fmt: skip
def test_numbers_that_cannot_be(wrap: str) -> None:
    with pytest.raises(UserError, match=f"wrapper {wrap.split(':')[0]}"):
        Task("TinyReach-v0", (wrap,)).make()


def test_discrete_actions_are_refused() -> None:
    with pytest.raises(UserError, match="continuous actions"):
        Task("CartPole-v1", ("scale",)).make()
