"""Small learners for the probes, built, trained and judged the way `train.py` and `eval.py` do it.

`agents.build.BACKENDS` is what is tested: another learner climbs the same ladder by being in it. Each is judged by its
checkpoint as stock Stable-Baselines3 loads it, so that what stands before the networks counts too.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm

from agents.build import ALGORITHMS, BACKENDS, build
from agents.checkpoint import pack
from agents.segments import begin_segment, close_open_episodes
from analysis.metrics import aggregate, episode_metrics
from analysis.reports import Aggregate
from configs.recipes import resolve
from configs.train_config import TrainConfig
from envs.make import make_env
from envs.rollout import run_episodes
from envs.vector import make_vec_env

REWARDED = {name: backend for name, backend in BACKENDS.items() if backend.learns_from_rewards and not backend.sees}
LEARNERS = [(name, algo) for name, backend in REWARDED.items() for algo in backend.algorithms]
OFF_POLICY = [(name, algo) for name, algo in LEARNERS if algo != "ppo"]
# Small networks, large steps, a short horizon, and so little entropy that its reward does not blur the values.
COMMON = {"net_arch": (32, 32), "batch_size": 64, "gamma": 0.5, "eval_every": 0, "device": "cpu"}
OFF = {"n_envs": 4, "total_steps": 800, "learning_starts": 200, "gradient_steps": 2, "learning_rate": 0.005,
       "tau": 0.05, "buffer_size": 20_000}  # fmt: skip
SETTINGS: dict[str, dict[str, Any]] = {
    "ppo": COMMON | {"n_envs": 8, "total_steps": 2048, "n_steps": 32, "learning_rate": 0.003},
    "sac": COMMON | OFF | {"ent_coef": 0.001},
    "td3": COMMON | OFF,
}
# Episodes and first seed of a judgement; training draws its seeds from 2**20 on.
EPISODES, FIRST_SEED = 40, 1000


def train(backend: str, algo: str, env_id: str, seed: int = 0, **changes: Any) -> BaseAlgorithm:
    """What stock Stable-Baselines3 loads from the checkpoint of a learner that was trained for one segment."""
    config = TrainConfig(algo=algo, env=env_id, seed=seed, backend=backend, **(SETTINGS[algo] | changes))
    settings = resolve(config).settings
    torch.set_num_threads(settings["threads"])
    with contextlib.closing(make_vec_env(env_id, settings["n_envs"], settings["vec_env"])) as env:
        model = build(settings, env, "cpu")
        begin_segment(model, seed, 0)
        model.learn(settings["total_steps"], log_interval=None)
        close_open_episodes(model)
    return ALGORITHMS[algo].load(io.BytesIO(pack(model, {})), device="cpu")


def values(model: BaseAlgorithm, observation: Any, goal: Any) -> np.ndarray:
    """Values of N states, (N, n) and (N, g), in which nothing is achieved yet.

    (N, 1) of V where the learner has one, else (N, K): Q of each critic for three actions, which must not matter.
    """
    batch = {"observation": observation, "achieved_goal": np.zeros(np.shape(goal)), "desired_goal": goal}
    inputs = {key: torch.as_tensor(np.asarray(rows), dtype=torch.float32) for key, rows in batch.items()}
    with torch.no_grad():
        if not hasattr(model, "critic"):
            return model.policy.predict_values(inputs).numpy()
        actions = [torch.full((len(goal), *model.action_space.shape), a) for a in (-0.5, 0.0, 0.5)]
        return torch.cat([q for action in actions for q in model.critic(inputs, action)], dim=1).numpy()


def judge(model: BaseAlgorithm, env_id: str) -> Aggregate:
    """What the deterministic policy reaches on held-out episodes."""
    seeds = range(FIRST_SEED, FIRST_SEED + EPISODES)
    return aggregate([episode_metrics(t) for t in run_episodes(lambda: model.policy, lambda: make_env(env_id), seeds)])
