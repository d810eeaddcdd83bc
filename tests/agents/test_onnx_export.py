"""A policy as an ONNX graph: equal actions, and one line where a package or a layer is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO, SAC
from torch import nn

from agents.acting import acting
from agents.onnx_export import OnnxPolicy, onnx_graph
from common.errors import UserError
from evaluation.subject import Wanted, checkpoint

ROOT = Path(__file__).resolve().parents[2]


class Box(gym.Env):
    """Observations (3,), actions from −2 to 4."""

    observation_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    action_space = gym.spaces.Box(-2, 4, (2,), np.float32)


def test_the_reference_policy_acts_the_same() -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    subject = checkpoint(str(ROOT / "checkpoints/reference/FetchPush-v4.zip"), Wanted("FetchPush-v4"))
    policy, env = subject.make_policy(), subject.task.make()
    exported = OnnxPolicy(onnx_graph(acting(policy), policy.observation_space))
    assert exported.keys == ["achieved_goal", "desired_goal", "observation"]
    observation, _ = env.reset(seed=0)
    for _ in range(50):
        action, _ = policy.predict(observation, deterministic=True)
        assert np.abs(exported.predict(observation)[0] - action).max() < 1e-5
        observation, *_ = env.step(action)


@pytest.mark.parametrize("algorithm", [SAC, PPO])
def test_actions_are_scaled_or_clipped_as_the_policy_does(algorithm: type) -> None:
    pytest.importorskip("onnxruntime", reason="needs the extra `onnx`")
    policy = algorithm("MlpPolicy", Box(), policy_kwargs={"net_arch": [16]}, device="cpu").policy
    with_bias = policy.actor.mu if algorithm is SAC else policy.action_net
    nn.init.uniform_(with_bias.bias, -9.0, 9.0)
    exported = OnnxPolicy(onnx_graph(acting(policy), policy.observation_space))
    for x in np.random.default_rng(0).uniform(-1, 1, (20, 3)).astype(np.float32):
        assert np.allclose(exported.predict(x)[0], policy.predict(x, deterministic=True)[0], atol=1e-5)


def test_without_the_package_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UserError, match=r"package onnx, .*\.\[onnx\]"):
        onnx_graph(None, Box.observation_space)
    with pytest.raises(UserError, match="package onnxruntime"):
        OnnxPolicy(b"")
