"""The short way to a policy's action gives the bits of Stable-Baselines3's own, from any thread."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.policies import BasePolicy
from torch import nn

import callbacks.evaluation
from agents.acting import acting
from envs.make import make_env
from envs.task import Task
from tests.contract import tiny

tiny.register()


class Skewed(gym.ActionWrapper):
    """Bounds that are not -1 and 1."""

    def __init__(self, env: gym.Env):
        super().__init__(env)
        size = env.action_space.shape
        self.action_space = gym.spaces.Box(np.full(size, -0.3, np.float32), np.full(size, 1.7, np.float32))

    def action(self, action: np.ndarray) -> np.ndarray:
        return action


def policy_of(cls: Any, env: gym.Env, **options: Any) -> BasePolicy:
    name = "MultiInputPolicy" if isinstance(env.observation_space, gym.spaces.Dict) else "MlpPolicy"
    torch.manual_seed(0)
    options = {"net_arch": [64, 64]} | options
    return cls.policy_aliases[name](env.observation_space, env.action_space, lambda _: 0.0, **options)


def observations(env: gym.Env, count: int = 200) -> list[Any]:
    """Of all sizes, so that squashing and clipping are met too."""
    generator = np.random.default_rng(0)

    def draw(space: gym.spaces.Box) -> np.ndarray:
        return (generator.normal(size=space.shape) * 10.0 ** generator.integers(-3, 3)).astype(space.dtype)

    space = env.observation_space
    if isinstance(space, gym.spaces.Dict):
        return [{key: draw(part) for key, part in space.items()} for _ in range(count)]
    return [draw(space) for _ in range(count)]


@pytest.mark.parametrize("wrap", [lambda env: env, Skewed], ids=["", "skewed"])
@pytest.mark.parametrize("env_id", ["FetchPush-v4", "FetchReach-v4", "TinyFlat-v0"])
@pytest.mark.parametrize("cls", [SAC, TD3, PPO])
def test_equals_predict_bit_for_bit(cls: Any, env_id: str, wrap: Callable[[gym.Env], gym.Env]) -> None:
    with contextlib.closing(wrap(make_env(env_id))) as env:
        policy, seen = policy_of(cls, env), observations(env)
    # Weights of a fresh policy give small actions only.
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(3.0)
    short = acting(policy)
    assert short is not None
    expected = [policy.predict(x, deterministic=True)[0] for x in seen]
    with ThreadPoolExecutor(3) as pool:
        for actions in ([short.predict(x)[0] for x in seen], list(pool.map(lambda x: short.predict(x)[0], seen))):
            for ours, theirs in zip(actions, expected, strict=True):
                assert ours.dtype == theirs.dtype and ours.shape == theirs.shape and np.array_equal(ours, theirs)
    # What is learned later is used at once.
    with torch.no_grad():
        for parameter in policy.parameters():
            parameter.mul_(-0.5)
    assert np.array_equal(short.predict(seen[0])[0], policy.predict(seen[0], deterministic=True)[0])


@pytest.mark.parametrize(
    ("cls", "options"),
    [
        (SAC, {"use_sde": True}), (PPO, {"use_sde": True}), (SAC, {"activation_fn": nn.Dropout}),
        (PPO, {"activation_fn": nn.PReLU}),
    ],
)  # fmt: skip
def test_what_it_does_not_know_it_leaves_alone(cls: Any, options: dict[str, Any]) -> None:
    with contextlib.closing(make_env("FetchReach-v4")) as env:
        assert acting(policy_of(cls, env, **options)) is None


@pytest.mark.parametrize(
    ("observed", "acted"),
    [
        (gym.spaces.Box(0, 255, (3, 36, 36), np.uint8), gym.spaces.Box(-1, 1, (2,))),
        (gym.spaces.Discrete(4), gym.spaces.Box(-1, 1, (2,))), (gym.spaces.Box(-1, 1, (3,)), gym.spaces.Discrete(3)),
    ],
)  # fmt: skip
def test_other_spaces_it_leaves_alone(observed: gym.Space, acted: gym.Space) -> None:
    assert acting(PPO.policy_aliases["MlpPolicy"](observed, acted, lambda _: 0.0)) is None


def test_it_does_not_sample() -> None:
    with contextlib.closing(make_env("TinyReach-v0")) as env:
        short, seen = acting(policy_of(SAC, env)), observations(env)
    with pytest.raises(ValueError, match="deterministic"):
        short.predict(seen[0], deterministic=False)


@pytest.mark.parametrize("cls", [SAC, PPO])
def test_evaluations_are_the_same_either_way(cls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """On all cores and through the short way, or one after the other through `predict`."""
    with contextlib.closing(make_env("FetchPush-v4")) as env:
        policy = policy_of(cls, env)
    traces: list[Any] = []

    def keep(trace: Any) -> Any:
        traces.append(trace)
        return kept(trace)

    kept = callbacks.evaluation.episode_metrics
    monkeypatch.setattr(callbacks.evaluation, "episode_metrics", keep)
    monkeypatch.setattr(callbacks.evaluation, "cores", lambda: 3)
    one = callbacks.evaluation.evaluate(policy, Task("FetchPush-v4"), 12, 0, 0, 0.0)
    monkeypatch.setattr(callbacks.evaluation, "acting", lambda policy: None)
    assert callbacks.evaluation.evaluate(policy, Task("FetchPush-v4"), 12, 0, 0, 0.0) == one
    for ours, theirs in zip(traces[:12], traces[12:], strict=True):
        assert ours.seed == theirs.seed
        assert np.array_equal(ours.policy_actions, theirs.policy_actions)
        assert np.array_equal(ours.achieved_goals, theirs.achieved_goals)
