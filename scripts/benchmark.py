"""This project against stock Stable-Baselines3 and against the machine's limit, all in one run.

    python scripts/benchmark.py --json-out results/benchmark.json
    python scripts/benchmark.py --quick          # within a minute on two cores

Every contestant is timed once a round, in turn, so that a machine whose speed drifts treats them alike; ratios are of
the medians over the rounds. The last line printed is one JSON object with the ratios, higher is better.
"""

from __future__ import annotations

import functools
import json
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from analysis import provenance
from analysis.reports import DataReport, save
from configs.cli import guarded, parse

BATCH, HIDDEN, N_ENVS = 256, (256, 256), 16


@dataclass(frozen=True)
class BenchmarkConfig:
    """Time simulation and updates against stock Stable-Baselines3."""

    env: str = "FetchPush-v4"
    """Environment id."""
    rounds: int = 7
    """How often each contestant is timed."""
    quick: bool = False
    """Fewer and shorter rounds: within a minute on two cores."""
    json_out: str | None = None
    """Report to write."""


def in_turn(contestants: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Median speed of each; a contestant returns its speed once, per second. One round first does not count."""
    speeds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        for name, run in contestants.items():
            speed = run()
            if number:
                speeds[name].append(speed)
    return {name: statistics.median(values) for name, values in speeds.items()}


def simulation(config: BenchmarkConfig, steps: int) -> dict[str, float]:
    """Environment steps per second: stock ways to step, ours, and physics alone on all cores."""
    import mujoco
    import numpy as np
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    from envs.make import make_upstream
    from envs.vector import make_vec_env

    make = functools.partial(make_upstream, config.env)
    vectors = {
        "upstream, one environment": DummyVecEnv([make]),
        "DummyVecEnv": DummyVecEnv([make] * N_ENVS),
        "SubprocVecEnv": SubprocVecEnv([make] * N_ENVS, start_method="spawn"),
        "ours, threads": make_vec_env(config.env, N_ENVS),
    }
    generator = np.random.default_rng(0)

    def step(vector: Any) -> float:
        vector.seed(0)
        vector.reset()
        count = max(50, steps // vector.num_envs)
        actions = generator.uniform(-1, 1, (count, vector.num_envs, 4)).astype(np.float32)
        began = time.perf_counter()
        for action in actions:
            vector.step(action)
        return count * vector.num_envs / (time.perf_counter() - began)

    cores = provenance.hardware().cores
    bare = [make().unwrapped for _ in range(cores)]

    def physics() -> float:
        for env in bare:
            env.reset(seed=0)

        def one(env: Any) -> None:
            # Commands are set too, or the arm would rest and physics be cheaper than it is in use.
            for action in np.random.default_rng(1).uniform(-1, 1, (steps // cores, 4)):
                env._set_action(action)
                mujoco.mj_step(env.model, env.data, nstep=env.n_substeps)

        began = time.perf_counter()
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(one, bare))
        return steps // cores * cores / (time.perf_counter() - began)

    contestants = {name: (lambda v=vector: step(v)) for name, vector in vectors.items()}
    speeds = in_turn(contestants | {"physics alone (limit)": physics}, config.rounds)
    for vector in vectors.values():
        vector.close()
    return speeds


def updates(config: BenchmarkConfig, count: int) -> dict[str, float]:
    """Updates per second of stock SAC with HerReplayBuffer and of ours, each at its better number of threads."""
    import torch

    from agents.build import build
    from agents.segments import begin_segment
    from configs.recipes import resolve
    from configs.train_config import TrainConfig
    from envs.vector import make_vec_env

    fill = 20 * 50 * N_ENVS
    contestants: dict[str, Callable[[], float]] = {}
    for backend in ("sb3", "fast"):
        settings = resolve(TrainConfig(
            algo="sac", env=config.env, her=True, backend=backend, n_envs=N_ENVS, net_arch=HIDDEN, batch_size=BATCH,
            learning_starts=fill, buffer_size=200_000, ent_coef=0.05,
        )).settings  # fmt: skip
        model = build(settings, make_vec_env(config.env, N_ENVS), "cpu")
        begin_segment(model, 0, 0)
        model.learn(fill)

        def run(model: Any = model, threads: int = 1) -> float:
            torch.set_num_threads(threads)
            began = time.perf_counter()
            model.train(gradient_steps=count, batch_size=BATCH)
            return count / (time.perf_counter() - began)

        for threads in sorted({1, provenance.hardware().cores}):
            contestants[f"{backend}, {threads} threads"] = lambda r=run, t=threads: r(threads=t)
    return in_turn(contestants, config.rounds)


def benchmark(config: BenchmarkConfig) -> None:
    """Time everything, print the tables and the ratios."""
    began = time.monotonic()
    rounds = 2 if config.quick else config.rounds
    config = BenchmarkConfig(config.env, rounds, config.quick, config.json_out)
    sim = simulation(config, 800 if config.quick else 3200)
    learn = updates(config, 60 if config.quick else 300)
    stock, ours = (max(v for k, v in learn.items() if k.startswith(name)) for name in ("sb3", "fast"))
    ratios = {
        "sim_vs_subproc": round(sim["ours, threads"] / sim["SubprocVecEnv"], 3),
        "sim_vs_limit": round(sim["ours, threads"] / sim["physics alone (limit)"], 3),
        "update_vs_sb3": round(ours / stock, 3),
    }
    for title, speeds in (("environment steps/s", sim), ("updates/s", learn)):
        print(f"{title} on {config.env}")
        for name, speed in speeds.items():
            print(f"  {name:28s} {speed:8.1f}")
    if config.json_out:
        common = provenance.metadata(
            asdict(config), env_id=config.env, n_envs=N_ENVS, wall_clock_s=round(time.monotonic() - began, 1)
        )
        data = {"steps_per_second": sim, "updates_per_second": learn, "ratios": ratios, "batch": BATCH}
        save(config.json_out, DataReport(**common, name="benchmark", data=data))
        print(f"report -> {config.json_out}")
    print(json.dumps(ratios))


if __name__ == "__main__":
    sys.exit(guarded(lambda: benchmark(parse(BenchmarkConfig, None, prog="benchmark.py"))))
