"""Chapter 08: how fast can it learn? Where the time goes, the two limits, each improvement, and learning curves.

python scripts/ch08_fast_loop.py all         # the lab and all below but the sweep; runs/ch08/
python scripts/ch08_fast_loop.py profile     # stock Stable-Baselines3 and ours on Push, second by second
python scripts/ch08_fast_loop.py simulate    # environment steps/s against stock and against pure physics
python scripts/ch08_fast_loop.py learn       # updates/s against stock
python scripts/ch08_fast_loop.py scale       # over environments, threads, batch sizes
python scripts/ch08_fast_loop.py sweep       # configs/sweeps/reach_seeds.json on this machine
python scripts/ch08_fast_loop.py report      # learning curves of the recipes in results/, stock beside ours
"""

from __future__ import annotations

from functools import partial

from chapter import DEFAULT, Chapter, Mode

NEXT = "bash docker/dev.sh python train.py --algo sac --her --env FetchPush-v4 --seed 0 --out checkpoints/ch08"
chapter = Chapter("ch08", "how fast can it learn?")


@chapter.command
def profile(env: str = "FetchPush-v4", steps: int = 3200, json_out: str | None = None, out: str | None = None,
            mode: Mode = DEFAULT) -> int:  # fmt: skip
    """Seconds in each part of the loop, with the recipe's settings and one update for two transitions.

    Args:
        env: Environment id.
        steps: Environment steps after a warm-up of as many.
        json_out: Report to write instead of the chapter's own.
        out: Figure to write instead of the chapter's own.
        mode: Sizes and places.
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

    steps, n_envs = (200, 2) if mode.smoke else (steps, None)
    runs: dict[str, dict[str, float]] = {}
    for name, backend, vector in (
        ("stock, DummyVecEnv", "sb3", partial(make_stock_vec_env, kind="dummy")),
        ("stock, SubprocVecEnv", "sb3", partial(make_stock_vec_env, kind="subproc")),
        ("ours", "fast", make_vec_env),
    ):
        settings = resolve(TrainConfig(
            algo="sac", env=env, her=True, backend=backend, learning_starts=steps, n_envs=n_envs,
            gradient_steps=1 if mode.smoke else 8,
        )).settings  # fmt: skip
        torch.set_num_threads(1 if mode.smoke else settings["threads"])
        model = build(settings, vector(env, settings["n_envs"]), "cpu")
        begin_segment(model, 0, 0)
        model.learn(steps, log_interval=None)
        watch = Stopwatch(model)
        model.learn(steps, log_interval=None, reset_num_timesteps=False)
        runs[name] = {part: round(seconds, 3) for part, seconds in watch.parts().items()}
        model.env.close()
        print(f"{name:22s} " + "  ".join(f"{part} {seconds:.2f} s" for part, seconds in runs[name].items()))
    data = {"steps": steps, "updates": steps // settings["n_envs"] * settings["gradient_steps"], "seconds": runs}
    known = {"env_id": env, "n_envs": settings["n_envs"]}
    chapter.write("profile", data, mode, config={"env": env, "steps": steps}, given=json_out, **known)
    figure = chapter.file("profile.png", mode, out)
    save_figure(parts_figure(runs, f"{env}: {steps} steps and {data['updates']} updates"), figure)
    print(f"figure -> {figure}")
    return 0


def benchmark(part: str, mode: Mode) -> int:
    """One part of scripts/benchmark.py."""
    path = str(chapter.file(f"{part}.json", mode))
    return chapter.call(
        "scripts/benchmark.py", "--part", part, "--json-out", path, *(["--smoke"] if mode.smoke else [])
    )


@chapter.command
def simulate(mode: Mode = DEFAULT) -> int:
    """Environment steps/s: upstream, DummyVecEnv, SubprocVecEnv, ours, and physics alone."""
    return benchmark("simulate", mode)


@chapter.command
def learn(mode: Mode = DEFAULT) -> int:
    """Updates/s: stock SAC with HerReplayBuffer, and ours."""
    return benchmark("learn", mode)


@chapter.command
def scale(mode: Mode = DEFAULT) -> int:
    """Steps/s over environments and threads, updates/s over batch sizes and threads."""
    return benchmark("scale", mode)


@chapter.command
def sweep(config: str = "configs/sweeps/reach_seeds.json", slots: int = 1, mode: Mode = DEFAULT) -> int:
    """Seeds and variants of Reach, one run after another on this machine; interrupted, the same command continues."""
    words = ["--smoke"] if mode.smoke else []
    if not mode.publish:
        words += ["--json-out", str(chapter.file("sweep.json", mode))]
    return chapter.call("scripts/sweep.py", config, "--slots", str(slots), *words)


@chapter.command
def report(json_out: str | None = None, mode: Mode = DEFAULT) -> int:
    """Steps and minutes to 95% of every recipe's seeds; a figure for each task, with stock where it was measured."""
    from analysis import learning_curves

    figures = str(chapter.file("learning_curves.png", mode)).removesuffix(".png")
    return learning_curves.report(str(chapter.file("learning_curves.json", mode, json_out)), figures)


@chapter.command("all")
def run_all(mode: Mode = DEFAULT) -> int:
    """The lab and all of the above but the sweep, which takes minutes."""
    steps = {step.__name__: partial(step, mode=mode) for step in (profile, simulate, learn, scale, report)}
    if not mode.smoke:  # the lab knows no smaller size
        steps["lab"] = partial(chapter.lab, "fast_loop.py", mode)
    return chapter.run_all(steps, mode, NEXT)


if __name__ == "__main__":
    chapter.main()
