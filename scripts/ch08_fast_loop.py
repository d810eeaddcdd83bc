"""Chapter 08: how fast can it learn? Where the time goes, the two floors, each improvement, and runs on many machines.

python scripts/ch08_fast_loop.py all         # the lab and all below but the sweep; results/ch08_*.json
python scripts/ch08_fast_loop.py profile     # stock Stable-Baselines3 and ours on Push, second by second
python scripts/ch08_fast_loop.py simulate    # environment steps/s against stock and against pure physics
python scripts/ch08_fast_loop.py learn       # updates/s against stock
python scripts/ch08_fast_loop.py scale       # over environments, threads, batch sizes
python scripts/ch08_fast_loop.py sweep       # configs/sweeps/reach_seeds.json on this machine
python scripts/ch08_fast_loop.py report      # learning curves of the recipes in results/, stock beside ours
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

from analysis.reports import DataReport, save
from common.cli import subcommands
from common.errors import TrainingFailure
from common.provenance import metadata
from common.steps import run_steps

HERE = Path(__file__).parent
FIGURES = "tutorials/figures"


def place(path: str, smoke: bool) -> str:
    """Where a file goes: in smoke mode under a temporary folder, so that no real one is replaced."""
    return str(Path(tempfile.mkdtemp(prefix="ch08-")) / Path(path).name) if smoke else path


def call(script: str, *arguments: str) -> int:
    """Another script of this project, in a process of its own. Raises `TrainingFailure` where it fails."""
    status = subprocess.run([sys.executable, str(HERE / script), *arguments], check=False).returncode
    if status:
        raise TrainingFailure(f"{script} {' '.join(arguments)} ended with status {status}.")
    return 0


def profile(env: str = "FetchPush-v4", steps: int = 3200, json_out: str = "results/ch08_profile.json",
            out: str = f"{FIGURES}/ch08_profile.png", smoke: bool = False) -> int:  # fmt: skip
    """Seconds in each part of the loop, with the recipe's settings and one update for two transitions.

    Args:
        env: Environment id.
        steps: Environment steps after a warm-up of as many.
        json_out: Report to write.
        out: Figure to write.
        smoke: A few steps, files under a temporary folder.
    """
    import torch

    from agents.build import build
    from agents.segments import begin_segment
    from analysis.plots import save_figure
    from analysis.speed_plots import parts_figure
    from callbacks.stopwatch import Stopwatch
    from configs.recipes import resolve
    from configs.train_config import TrainConfig
    from envs.vector import make_stock_vec_env, make_vec_env

    began, steps, n_envs = time.monotonic(), 200 if smoke else steps, 2 if smoke else None
    runs: dict[str, dict[str, float]] = {}
    for name, backend, vector in (
        ("stock, DummyVecEnv", "sb3", partial(make_stock_vec_env, kind="dummy")),
        ("stock, SubprocVecEnv", "sb3", partial(make_stock_vec_env, kind="subproc")),
        ("ours", "fast", make_vec_env),
    ):
        settings = resolve(TrainConfig(
            algo="sac", env=env, her=True, backend=backend, learning_starts=steps, n_envs=n_envs,
            gradient_steps=1 if smoke else 8,
        )).settings  # fmt: skip
        torch.set_num_threads(settings["threads"])
        model = build(settings, vector(env, settings["n_envs"]), "cpu")
        begin_segment(model, 0, 0)
        model.learn(steps, log_interval=None)
        watch = Stopwatch(model)
        model.learn(steps, log_interval=None, reset_num_timesteps=False)
        runs[name] = {part: round(seconds, 3) for part, seconds in watch.parts().items()}
        model.env.close()
        print(f"{name:22s} " + "  ".join(f"{part} {seconds:.2f} s" for part, seconds in runs[name].items()))
    path = place(json_out, smoke)
    data = {"steps": steps, "updates": steps // settings["n_envs"] * settings["gradient_steps"], "seconds": runs}
    seconds = round(time.monotonic() - began, 3)
    common = metadata({"env": env, "steps": steps}, env_id=env, n_envs=settings["n_envs"], wall_clock_s=seconds)
    save(path, DataReport(**common, name="profile", data=data))
    figure = place(out, smoke)
    save_figure(parts_figure(runs, f"{env}: {steps} steps and {data['updates']} updates"), figure)
    print(f"report -> {path}\nfigure -> {figure}")
    return 0


def benchmark(part: str, smoke: bool = False) -> int:
    """One part of scripts/benchmark.py."""
    path = place(f"results/ch08_{part}.json", smoke)
    return call("benchmark.py", "--part", part, "--json-out", path, *(["--smoke"] if smoke else []))


def simulate(smoke: bool = False) -> int:
    """Environment steps/s: upstream, DummyVecEnv, SubprocVecEnv, ours, and physics alone."""
    return benchmark("simulate", smoke)


def learn(smoke: bool = False) -> int:
    """Updates/s: stock SAC with HerReplayBuffer, and ours."""
    return benchmark("learn", smoke)


def scale(smoke: bool = False) -> int:
    """Steps/s over environments and threads, updates/s over batch sizes and threads."""
    return benchmark("scale", smoke)


def sweep(config: str = "configs/sweeps/reach_seeds.json", slots: int = 1, smoke: bool = False) -> int:
    """Seeds and variants of Reach, one run after another on this machine; interrupted, the same command continues."""
    return call("sweep.py", config, "--slots", str(slots), *(["--smoke"] if smoke else []))


def report(json_out: str = "results/ch08_race.json", smoke: bool = False) -> int:
    """Steps and minutes to 95% of every recipe's seeds; a figure a task, with stock where its sweep was run."""
    from analysis.learning_curves import race

    return race(place(json_out, smoke), place(f"{FIGURES}/ch08_race", smoke))


def lab(smoke: bool = False) -> int:
    """The lab's `--verify`, in a process of its own."""
    return call("labs/fast_loop.py", "--verify", "--json-out", place("results/ch08_lab.json", smoke))


def run_all(smoke: bool = False) -> int:
    """The lab and all of the above but the sweep, which takes minutes."""
    began = time.monotonic()
    chosen = (profile, simulate, learn, scale, report, *([] if smoke else [lab]))  # the lab knows no smaller size
    steps = {step.__name__: partial(step, smoke=smoke) for step in chosen}
    status, outcomes = run_steps(steps)
    seconds = {name: outcome["seconds"] for name, outcome in outcomes.items()}
    seconds_in_all, ended = round(time.monotonic() - began, 3), "failed" if status else "finished"
    common = metadata({"smoke": smoke}, status=ended, wall_clock_s=seconds_in_all)
    save(place("results/ch08_all.json", smoke), DataReport(**common, name="ch08_all", data={"seconds": seconds}))
    return status


if __name__ == "__main__":
    COMMANDS = {step.__name__: step for step in (profile, simulate, learn, scale, sweep, report)} | {"all": run_all}
    sys.exit(subcommands(COMMANDS, "ch08_fast_loop.py", "Chapter 08: how fast can it learn?"))
