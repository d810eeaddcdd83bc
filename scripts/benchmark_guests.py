"""Contestants of scripts/benchmark.py that other projects ship: SBX's SAC in JAX, TQC as the RL Zoo sets it for Push,
and EnvPool's own FetchPush-v4.

    python -m venv guests
    guests/bin/pip install sbx-rl sb3-contrib envpool gymnasium-robotics==1.4.2 mujoco==3.11.0
    python scripts/benchmark.py --guest-python guests/bin/python

They have an environment of their own, since they bring another PyTorch and 350 MB of JAX; so this file imports nothing
of the project. Each line on standard input asks for so many updates or steps, when it is this contestant's turn; the
answer is how many a second there were.

    echo 160 | guests/bin/python scripts/benchmark_guests.py sbx --cores 1
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from typing import Any

# Updates in one call: SBX compiles a round of them as one function.
ROUND = 8
BATCH, HIDDEN = 256, (256, 256)


def filled(algorithm: Any, env_id: str, n_envs: int, episodes: int, **settings: Any) -> Any:
    """A model of `algorithm` with hindsight, and `episodes` random episodes of each environment."""
    import gymnasium
    import gymnasium_robotics
    from stable_baselines3 import HerReplayBuffer
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import DummyVecEnv

    gymnasium.register_envs(gymnasium_robotics)
    fill = episodes * 50 * n_envs
    model = algorithm(
        "MultiInputPolicy", DummyVecEnv([lambda: gymnasium.make(env_id)] * n_envs), learning_starts=fill, seed=0,
        replay_buffer_class=HerReplayBuffer, buffer_size=1_000_000, **settings,
    )  # fmt: skip
    model.set_logger(Logger(None, []))
    return model.learn(fill)


def sbx(env_id: str, n_envs: int, episodes: int, cores: int) -> Callable[[int], float]:
    """SAC with hindsight and `episodes` random episodes of each environment: updates to updates per second."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import jax
    from sbx import SAC

    model = filled(SAC, env_id, n_envs, episodes, batch_size=BATCH, ent_coef=0.05,
                   policy_kwargs={"net_arch": list(HIDDEN)})  # fmt: skip

    def speed(count: int) -> float:
        rounds = max(1, count // ROUND)
        began = time.perf_counter()
        for _ in range(rounds):
            model.train(gradient_steps=ROUND, batch_size=BATCH)
        jax.block_until_ready(model.policy.qf_state.params)
        return rounds * ROUND / (time.perf_counter() - began)

    return speed


def tqc(env_id: str, n_envs: int, episodes: int, cores: int) -> Callable[[int], float]:
    """TQC with hindsight and the RL Zoo's settings for FetchPush: updates to updates per second, a fortieth of them."""
    import torch
    from sb3_contrib import TQC

    torch.set_num_threads(cores)
    model = filled(TQC, env_id, n_envs, episodes, batch_size=2048, gamma=0.95, learning_rate=1e-3, tau=0.05,
                   policy_kwargs={"net_arch": [512, 512, 512], "n_critics": 2})  # fmt: skip

    def speed(count: int) -> float:
        updates = max(1, count // 40)
        began = time.perf_counter()
        model.train(gradient_steps=updates, batch_size=model.batch_size)
        return updates / (time.perf_counter() - began)

    return speed


def envpool(env_id: str, n_envs: int, episodes: int, cores: int) -> Callable[[int], float]:
    """EnvPool's environments with random actions: environment steps to steps per second."""
    import envpool
    import numpy as np

    vector = envpool.make(env_id, env_type="gymnasium", num_envs=n_envs, num_threads=cores, seed=0)
    generator = np.random.default_rng(0)

    def speed(count: int) -> float:
        steps = max(50, count // n_envs)
        vector.reset()
        actions = generator.uniform(-1, 1, (steps, n_envs, 4)).astype(np.float32)
        began = time.perf_counter()
        for action in actions:
            vector.step(action)
        return steps * n_envs / (time.perf_counter() - began)

    return speed


GUESTS = {"sbx": sbx, "tqc": tqc, "envpool": envpool}


def main() -> None:
    """Get ready, say so, and answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guest", choices=GUESTS)
    parser.add_argument("--env", default="FetchPush-v4")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--n-envs", type=int, default=8)
    parser.add_argument("--episodes", type=int, default=20)
    arguments = parser.parse_args()
    # Before JAX is imported: its threads are as many as the cores that it may use.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    speed = GUESTS[arguments.guest](arguments.env, arguments.n_envs, arguments.episodes, arguments.cores)
    print("ready", flush=True)
    for line in sys.stdin:
        print(speed(int(line)), flush=True)


if __name__ == "__main__":
    main()
