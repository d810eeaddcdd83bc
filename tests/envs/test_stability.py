"""Numbers that are none in the state of a simulation: a clear error that names the environment, and no hang."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from agents.controllers import ZeroPolicy
from envs.make import make_env
from envs.rollout import run_episodes
from envs.stability import UnstableSimulation
from envs.thread_vec_env import EnvironmentFailure, ThreadVecEnv

NOTHING = np.zeros(4, np.float32)


def spoil(env: gym.Env, field: str, value: float = np.nan) -> None:
    getattr(env.unwrapped.data, field)[3] = value


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Any:
    """MuJoCo neither prints nor writes its log file."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("env_id", ["FetchReach-v4", "FetchPush-v4", "FetchPickAndPlace-v4"])
@pytest.mark.parametrize(
    ("field", "value", "words"),
    [("qpos", np.nan, "QPOS"), ("qvel", np.inf, "QVEL"), ("qpos", 1e11, "QPOS"), ("qvel", 1e9, "QACC")],
)
def test_a_broken_state(env_id: str, field: str, value: float, words: str) -> None:
    env = make_env(env_id)
    env.reset(seed=0)
    env.step(NOTHING)
    spoil(env, field, value)
    with pytest.raises(UnstableSimulation, match=f"physics broke down: .*{words}"):
        env.step(NOTHING)
    # A reset mends it.
    fresh = make_env(env_id)
    for e in (env, fresh):
        e.reset(seed=1)
    for _ in range(3):
        assert np.array_equal(env.step(NOTHING)[0]["observation"], fresh.step(NOTHING)[0]["observation"])


@pytest.mark.parametrize("value", [np.nan, -np.nan])
def test_an_action_that_is_no_number(value: float) -> None:
    env = make_env("FetchPush-v4")
    env.reset(seed=0)
    with pytest.raises(UnstableSimulation, match=r"the action \[0.0, nan, 0.0, 0.0\] is not finite"):
        env.step(np.array([0.0, value, 0.0, 0.0]))


@pytest.mark.parametrize("n", [2, 5])
def test_one_of_many_is_named_and_nothing_hangs(n: int) -> None:
    before = threading.active_count()
    env = ThreadVecEnv([lambda: Monitor(make_env("FetchPush-v4"))] * n, threads=2)
    env.reset()
    env.step(np.zeros((n, 4), np.float32))
    spoil(env.envs[n - 1], "qpos")
    with pytest.raises(EnvironmentFailure, match=f"environment {n - 1}: UnstableSimulation: .*QPOS at DOF 3"):
        env.step(np.zeros((n, 4), np.float32))
    # The others go on after a reset of all, and so does it.
    assert np.isfinite(env.reset()["observation"]).all()
    env.step(np.zeros((n, 4), np.float32))
    env.close()
    assert threading.active_count() == before


def test_without_threads() -> None:
    env = DummyVecEnv([lambda: make_env("FetchPush-v4")] * 2)
    env.reset()
    spoil(env.envs[1], "qvel")
    with pytest.raises(UnstableSimulation):
        env.step(np.zeros((2, 4), np.float32))


@pytest.mark.parametrize("n_envs", [1, 2])
def test_in_an_evaluation(n_envs: int) -> None:
    class Breaks(gym.Wrapper):
        def step(self, action: Any) -> Any:
            spoil(self.env, "qpos")
            return super().step(action)

    policy = ZeroPolicy(make_env("FetchPush-v4"))
    with pytest.raises(UnstableSimulation, match="QPOS"):
        list(run_episodes(lambda: policy, lambda: Breaks(make_env("FetchPush-v4")), range(4), n_envs))
