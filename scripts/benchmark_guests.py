"""Contestants of scripts/benchmark.py that other projects ship: SBX's SAC in JAX, and EnvPool's own FetchPush-v4.

    python -m venv guests && guests/bin/pip install sbx-rl envpool gymnasium-robotics==1.4.2 mujoco==3.11.0
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

# Updates in one call: SBX compiles a round of them as one function.
ROUND = 8
BATCH, HIDDEN = 256, (256, 256)


def sbx(env_id: str, n_envs: int, episodes: int, cores: int) -> Callable[[int], float]:
    """SAC with hindsight and `episodes` random episodes of each environment: updates to updates per second."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import gymnasium
    import gymnasium_robotics
    import jax
    from sbx import SAC
    from stable_baselines3 import HerReplayBuffer
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.vec_env import DummyVecEnv

    gymnasium.register_envs(gymnasium_robotics)
    fill = episodes * 50 * n_envs
    model = SAC(
        "MultiInputPolicy", DummyVecEnv([lambda: gymnasium.make(env_id)] * n_envs), learning_starts=fill, seed=0,
        replay_buffer_class=HerReplayBuffer, buffer_size=1_000_000, batch_size=BATCH, ent_coef=0.05,
        policy_kwargs={"net_arch": list(HIDDEN)},
    )  # fmt: skip
    model.set_logger(Logger(None, []))
    model.learn(fill)

    def speed(count: int) -> float:
        rounds = max(1, count // ROUND)
        began = time.perf_counter()
        for _ in range(rounds):
            model.train(gradient_steps=ROUND, batch_size=BATCH)
        jax.block_until_ready(model.policy.qf_state.params)
        return rounds * ROUND / (time.perf_counter() - began)

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


def main() -> None:
    """Get ready, say so, and answer."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guest", choices=("sbx", "envpool"))
    parser.add_argument("--env", default="FetchPush-v4")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--n-envs", type=int, default=8)
    parser.add_argument("--episodes", type=int, default=20)
    arguments = parser.parse_args()
    # Before JAX is imported: its threads are as many as the cores that it may use.
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: arguments.cores])
    guest = {"sbx": sbx, "envpool": envpool}[arguments.guest]
    speed = guest(arguments.env, arguments.n_envs, arguments.episodes, arguments.cores)
    print("ready", flush=True)
    for line in sys.stdin:
        print(speed(int(line)), flush=True)


if __name__ == "__main__":
    main()
