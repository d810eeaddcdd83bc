"""Small learners for the probes, built and judged the way `train.py` and its checkpoints do it.

`BACKENDS` of `agents.build` is what is tested: a new learner climbs the same ladder by being in it. Each is judged from
its checkpoint, loaded by stock Stable-Baselines3, so that what stands before the networks counts too.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.build import ALGORITHMS, BACKENDS, build
from agents.checkpoint import pack
from agents.segments import begin_segment, close_open_episodes
from callbacks.evaluation import evaluate
from configs.recipes import resolve
from configs.train_config import TrainConfig
from envs.vector import make_vec_env

OFF_POLICY = [(backend, algo) for backend in BACKENDS for algo in ("sac", "td3")]
LEARNERS = [(backend, "ppo") for backend in BACKENDS] + OFF_POLICY
# Nothing here is tuned to one rung. Small networks, large steps, hardly any entropy: its reward would blur the values.
SETTINGS: dict[str, dict[str, Any]] = {
    "ppo": {"n_envs": 8, "total_steps": 2048, "n_steps": 32, "batch_size": 64, "learning_rate": 0.005, "gamma": 0.5},
    "sac": {"n_envs": 4, "total_steps": 800, "gradient_steps": 2, "batch_size": 64, "learning_rate": 0.005,
            "learning_starts": 200, "tau": 0.05, "gamma": 0.5, "ent_coef": 0.001, "buffer_size": 20_000},
    "td3": {"n_envs": 4, "total_steps": 800, "gradient_steps": 2, "batch_size": 64, "learning_rate": 0.005,
            "learning_starts": 200, "tau": 0.05, "gamma": 0.5, "buffer_size": 20_000},
}  # fmt: skip


def train(backend: str, algo: str, env_id: str, seed: int = 0, **changes: Any) -> BaseAlgorithm:
    """A learner after one segment of training."""
    values = {"net_arch": (32, 32), "device": "cpu", "eval_every": 0} | SETTINGS[algo] | changes
    resolved = resolve(TrainConfig(algo=algo, env=env_id, seed=seed, **values))
    settings = resolved.settings | {"backend": backend}
    torch.set_num_threads(settings["threads"])
    with contextlib.closing(make_vec_env(env_id, settings["n_envs"])) as env:
        model = build(settings, env, "cpu")
        begin_segment(model, seed, 0)
        model.learn(settings["total_steps"], log_interval=None)
        close_open_episodes(model)
    return model


def stock(model: BaseAlgorithm, algo: str) -> BaseAlgorithm:
    """What stock Stable-Baselines3 makes of this model's checkpoint."""
    return ALGORITHMS[algo].load(io.BytesIO(pack(model, {})), device="cpu")


def values(model: BaseAlgorithm, observation: list[list[float]], goal: list[list[float]]) -> np.ndarray:
    """(N, K) values of N states, (N, ...) each, where nothing is achieved: V, or each critic's Q for a few actions."""
    batch = {"observation": observation, "achieved_goal": np.zeros_like(goal), "desired_goal": goal}
    inputs = {key: torch.as_tensor(np.asarray(rows), dtype=torch.float32) for key, rows in batch.items()}
    with torch.no_grad():
        if not hasattr(model, "critic"):
            return model.policy.predict_values(inputs).numpy()
        actions = [torch.full((len(goal), *model.action_space.shape), a) for a in (-0.5, 0.0, 0.5)]
        return torch.cat([q for action in actions for q in model.critic(inputs, action)], dim=1).numpy()
