"""This project against stock Stable-Baselines3 and against the machine's limit, all in one run.

    python scripts/benchmark.py --json-out results/benchmark.json    # some four minutes on two idle cores
    python scripts/benchmark.py --quick          # within a minute on two cores
    python scripts/benchmark.py --part scale     # over numbers of environments, threads and transitions in a batch
    python scripts/benchmark.py --guest-python guests/bin/python    # SBX, TQC and EnvPool: scripts/benchmark_guests.py

Every contestant is timed once a round, in turn, so that a machine whose speed drifts treats them alike; ratios are of
the medians over the rounds. The last line printed is one JSON object with the ratios, higher is better.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError

BATCH, HIDDEN = 256, (256, 256)


@dataclasses.dataclass(frozen=True)
class BenchmarkConfig:
    """Time simulation and updates against stock Stable-Baselines3."""

    env: str = "FetchPush-v4"
    """Environment id."""
    part: Literal["all", "simulate", "learn", "scale"] = "all"
    """What to time: simulation, updates, both (all), or both at several sizes (scale)."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where updates are computed."""
    n_envs: int = 16
    """Parallel environments."""
    rounds: int = 5
    """How often each contestant is timed."""
    episodes: int = 5
    """Random episodes of each environment in a replay buffer; sampling takes as long however full it is."""
    quick: bool = False
    """Fewer and shorter rounds: within a minute on two cores."""
    smoke: bool = False
    """Two environments, one round, hardly any work: shows that the path works, and says nothing about speed."""
    guest_python: str | None = None
    """Python of an environment that has SBX, sb3-contrib, EnvPool, or some of them, to time them as well."""
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


def step_speed(vector: Any, steps: int) -> float:
    """Environment steps per second with random actions, about `steps` of them."""
    import numpy as np

    vector.seed(0)
    vector.reset()
    count = max(50, steps // vector.num_envs)
    actions = np.random.default_rng(0).uniform(-1, 1, (count, vector.num_envs, 4)).astype(np.float32)
    began = time.perf_counter()
    for action in actions:
        vector.step(action)
    return count * vector.num_envs / (time.perf_counter() - began)


def simulation(config: BenchmarkConfig, steps: int) -> dict[str, float]:
    """Environment steps per second: stock ways to step, ours, and physics alone on all cores."""
    import mujoco
    import numpy as np

    from envs.make import make_env
    from envs.vector import make_stock_vec_env, make_vec_env

    vectors = {
        "one_upstream": make_stock_vec_env(config.env, 1, "dummy"),
        "DummyVecEnv": make_stock_vec_env(config.env, config.n_envs, "dummy"),
        "SubprocVecEnv": make_stock_vec_env(config.env, config.n_envs, "subproc"),
        "ours": make_vec_env(config.env, config.n_envs),
    }
    cores = provenance.cores()
    # The leanest environments there are, on one model in memory: what is left is mj_step.
    bare = [make_env(config.env).unwrapped for _ in range(cores)]

    def physics() -> float:
        def one(env: Any) -> None:
            # Commands are set too, or the arm would rest and physics be cheaper than it is in use; and episodes end,
            # or the block would soon lie out of reach.
            for step, action in enumerate(np.random.default_rng(1).uniform(-1, 1, (steps // cores, 4))):
                if step % 50 == 0:
                    env.reset(seed=step)
                env._set_action(action)
                mujoco.mj_step(env._model, env.data, nstep=env.n_substeps)

        began = time.perf_counter()
        with ThreadPoolExecutor(cores) as pool:
            list(pool.map(one, bare))
        return steps // cores * cores / (time.perf_counter() - began)

    # What one core steps is slow, and known from fewer steps.
    fewer = {"one_upstream": steps // 4, "DummyVecEnv": steps // 4}
    contestants = {k: functools.partial(step_speed, vector, fewer.get(k, steps)) for k, vector in vectors.items()}
    with guests(config, "envpool", steps) as others:
        speeds = in_turn(contestants | {"physics": physics} | others, config.rounds)
    for vector in vectors.values():
        vector.close()
    return speeds


class Guest:
    """A contestant in a process of its own, with the Python of another environment (scripts/benchmark_guests.py)."""

    def __init__(self, python: str, *arguments: str):
        line = [python, str(Path(__file__).with_name("benchmark_guests.py")), *arguments]
        # What this process says about threads would bind the guest, too.
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "PYTHONPATH"))}
        self.process = subprocess.Popen(
            line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )

    def ready(self) -> bool:
        """Whether it could begin: its packages are there."""
        return any(line.strip() == "ready" for line in self.process.stdout)

    def speed(self, count: int) -> float:
        """What it does in a second, over `count` of it."""
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        return float(self.process.stdout.readline())

    def close(self) -> None:
        """End its process."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


@contextlib.contextmanager
def guests(config: BenchmarkConfig, name: str, count: int) -> Iterator[dict[str, Callable[[], float]]]:
    """The guest `name` on one core and on all, as contestants; none without `--guest-python` or its packages."""
    here: dict[str, Guest] = {}
    if config.guest_python:
        episodes = str(config.episodes)
        for cores in sorted({1, provenance.cores()}):
            guest = Guest(config.guest_python, name, "--env", config.env, "--cores", str(cores), "--n-envs",
                          str(config.n_envs), "--episodes", episodes)  # fmt: skip
            if guest.ready():
                here[f"{name}_{cores}_threads"] = guest
            else:
                guest.close()
                print(f"  {name} does not run in {config.guest_python}", file=sys.stderr)
    try:
        yield {key: functools.partial(guest.speed, count) for key, guest in here.items()}
    finally:
        for guest in here.values():
            guest.close()


@contextlib.contextmanager
def busy_process() -> Iterator[None]:
    """Another process that keeps one core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def filled(config: BenchmarkConfig, backend: str, kernel: str | None = None) -> Any:
    """A model with room for a million transitions, as the recipes have, and some random episodes."""
    from agents.build import build, choose_device
    from agents.segments import begin_segment
    from configs.recipes import resolve
    from configs.train_config import TrainConfig
    from envs.vector import make_vec_env

    fill = config.episodes * 50 * config.n_envs
    settings = resolve(TrainConfig(
        algo="sac", env=config.env, her=True, backend=backend, n_envs=config.n_envs, net_arch=HIDDEN, batch_size=BATCH,
        learning_starts=fill, buffer_size=1_000_000, ent_coef=0.05, kernel=kernel,
    )).settings  # fmt: skip
    model = build(settings, make_vec_env(config.env, config.n_envs), choose_device(config.device))
    begin_segment(model, 0, 0)
    model.learn(fill)
    return model


def learn_speed(model: Any, threads: int, batch: int, count: int) -> float:
    """Updates per second."""
    import torch

    torch.set_num_threads(threads)
    began = time.perf_counter()
    model.train(gradient_steps=count, batch_size=batch)
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return count / (time.perf_counter() - began)


def updates(config: BenchmarkConfig, count: int) -> tuple[dict[str, float], dict[str, float]]:
    """Updates per second of stock, the readable learner, the kernels, SBX and TQC: alone, and beside a busy process."""
    from agents.kernels.registry import KERNELS

    contestants: dict[str, Callable[[], float]] = {}
    models = {"sb3": filled(config, "sb3")}
    on = models["sb3"].device.type
    models |= {name: filled(config, "fast", name) for name, kernel in KERNELS.items() if kernel.works_on(on)}
    for name, model in models.items():
        # On a GPU, PyTorch's threads on the processor have nothing to do.
        for threads in [1] if on == "cuda" else sorted({1, provenance.cores()}):
            contestants[f"{name}_{threads}_threads"] = functools.partial(learn_speed, model, threads, BATCH, count)
    with guests(config, "sbx", count) as others, guests(config, "tqc", count) as slow:
        quiet = in_turn(contestants | others | slow, config.rounds)
        with busy_process():
            # Fewer: a contestant whose threads wait for each other may be twenty times slower.
            some = {name: functools.partial(learn_speed, *run.args[:-1], max(min(8, count), count // 8))
                    for name, run in contestants.items()}  # fmt: skip
            busy = in_turn(some | others, min(2, config.rounds))
    return quiet, busy


def best(speeds: dict[str, float], *names: str, threads: int | None = None) -> float:
    """The highest speed of contestants of these names, with any number of threads or with `threads`."""
    ends = "_threads" if threads is None else f"_{threads}_threads"
    return max((v for key, v in speeds.items() if key.startswith(names) and key.endswith(ends)), default=0.0)


def update_ratios(quiet: dict[str, float], busy: dict[str, float]) -> dict[str, float]:
    """Our fastest kernel in float32 against stock, the readable learner and SBX; what a busy process leaves of it."""
    ours = ("blas", "onednn")
    ratios = {"update_vs_sb3": best(quiet, *ours) / best(quiet, "sb3"),
              "update_vs_readable": best(quiet, *ours) / best(quiet, "autograd")}  # fmt: skip
    if best(quiet, "sbx"):
        one = best(quiet, *ours, threads=1) / best(quiet, "sbx", threads=1)
        ratios |= {"update_vs_sbx": best(quiet, *ours) / best(quiet, "sbx"), "update_vs_sbx_one_core": one}
        if best(quiet, "bf16"):
            # Apart: it rounds more coarsely than SBX does.
            ratios["update_bf16_vs_sbx_one_core"] = best(quiet, "bf16", threads=1) / best(quiet, "sbx", threads=1)
    left = best(busy, *ours, threads=1) / best(quiet, *ours, threads=1)
    return ratios | {"update_beside_a_busy_process": left}


def scale(config: BenchmarkConfig, steps: int, count: int) -> tuple[dict[str, float], dict[str, float]]:
    """Environment steps/s over numbers of environments and threads; updates/s over sizes of a batch and threads."""
    from envs.make import make_env
    from envs.thread_vec_env import ThreadVecEnv

    threads = sorted({1, provenance.cores()})
    vectors = {
        f"{n}_environments_{t}_threads": ThreadVecEnv([functools.partial(make_env, config.env)] * n, t)
        for t in threads for n in (1, 2, 4, 8, 16, 32) if t <= n <= 2 * config.n_envs
    }  # fmt: skip
    sim = in_turn(
        {name: functools.partial(step_speed, vector, steps) for name, vector in vectors.items()}, config.rounds
    )
    for vector in vectors.values():
        vector.close()
    model = filled(config, "fast")
    learn = {
        f"batch_{batch}_{t}_threads": functools.partial(
            learn_speed, model, t, batch, max(min(10, count), count * BATCH // batch)
        )
        for t in threads for batch in (64, 128, 256, 512, 1024)
    }  # fmt: skip
    return sim, in_turn(learn, config.rounds)


def benchmark(config: BenchmarkConfig) -> None:
    """Time what was asked for, print the tables, and on the last line the ratios."""
    if min(config.rounds, config.n_envs, config.episodes) < 1:
        raise UserError("--rounds, --n-envs and --episodes must be at least 1.")
    began = time.monotonic()
    steps, count = (800, 60) if config.quick else (3200, 200)
    if config.smoke:
        config, steps, count = dataclasses.replace(config, n_envs=2, rounds=1, episodes=1), 100, 3
    elif config.quick:
        config = dataclasses.replace(config, rounds=2)
    sim: dict[str, float] = {}
    learn, busy, ratios = dict(sim), dict(sim), dict(sim)
    if config.part == "scale":
        # More contestants, fewer rounds: this part is about shapes, not about the last per cent.
        config = dataclasses.replace(config, rounds=min(3, config.rounds))
        sim, learn = scale(config, steps, count // 3)
    if config.part in ("all", "simulate"):
        sim = simulation(config, steps)
        ratios["sim_vs_subproc"] = sim["ours"] / sim["SubprocVecEnv"]
        ratios["sim_vs_limit"] = sim["ours"] / sim["physics"]
        if best(sim, "envpool"):
            ratios["sim_vs_envpool"] = sim["ours"] / best(sim, "envpool")
    if config.part in ("all", "learn"):
        learn, busy = updates(config, count)
        ratios |= update_ratios(learn, busy)
    ratios = {name: round(ratio, 3) for name, ratio in ratios.items()}
    for title, speeds in (
        ("environment steps/s", sim),
        ("updates/s", learn),
        ("updates/s beside a busy process", busy),
    ):
        if speeds:
            print(f"{title} on {config.env}")
        for name, speed in speeds.items():
            print(f"  {name:28s} {speed:8.1f}")
    if config.json_out:
        import torch

        from agents.build import choose_device

        # Where an interpreter lies is this machine's affair, and where the report goes decides no number.
        settings = {key: value for key, value in dataclasses.asdict(config).items() if key != "json_out"}
        common = provenance.metadata(
            settings | {"guest_python": config.guest_python and Path(config.guest_python).name},
            env_id=config.env,
            n_envs=config.n_envs,
            device=choose_device(config.device),
            wall_clock_s=round(time.monotonic() - began, 1),
        )
        data = {"steps_per_second": sim, "updates_per_second": learn, "updates_per_second_busy": busy,
                "ratios": ratios, "batch": BATCH, "vectors": torch.backends.cpu.get_cpu_capability(),
                "wait_policy": os.environ.get("OMP_WAIT_POLICY")}  # fmt: skip
        save(config.json_out, DataReport(**common, name="benchmark", data=data))
        print(f"report -> {config.json_out}")
    print(json.dumps(ratios))


if __name__ == "__main__":
    sys.exit(guarded(lambda: benchmark(parse(BenchmarkConfig, None, prog="benchmark.py"))))
