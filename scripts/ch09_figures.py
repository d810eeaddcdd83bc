"""The pictures of chapter 09: frames as a policy sees them, what it looks at over an episode, a film, the curves.

    python scripts/ch09_figures.py frames                       # both views of Reach; Push with its marker and without
    python scripts/ch09_figures.py looks --ckpt runs/ch09/FetchPush-v4_distil_seed0.zip
    python scripts/ch09_figures.py film --ckpt runs/ch09/FetchPush-v4_distil_seed0.zip
    python scripts/ch09_figures.py curves                       # of results/ch09_push_comparison.json

They go to runs/ch09/, and with --publish to tutorials/figures/ch09_*. In smoke mode an untrained policy is drawn.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from chapter import DEFAULT, Chapter, Mode

from common.errors import UserError
from common.provenance import ROOT

if TYPE_CHECKING:
    import numpy as np

chapter = Chapter("ch09", "What does a policy from pixels see?")
STUDENT = "runs/ch09/FetchPush-v4_distil_seed0.zip"
ROWS = (
    ("FetchReach-v4", "side", "none", "Reach, view side"),
    ("FetchReach-v4", "front", "none", "Reach, view front"),
    ("FetchPush-v4", "near", "none", "Push, as one would film it"),
    ("FetchPush-v4", "near", "desired", "Push, as the policy sees it"),
)


def saved(figure: Any, name: str, mode: Any) -> int:
    """Write a figure among the chapter's pictures."""
    from analysis.plots import save_figure

    save_figure(figure, path := chapter.file(name, mode))
    print(path)
    return 0


def episode(env_id: str, wrapper: str, act: Any, seed: int, steps: int) -> list[dict[str, np.ndarray]]:
    """What a policy is shown in the first `steps` steps of an episode; `act(observation, env)` acts."""
    from envs.task import Task

    with contextlib.closing(Task(env_id, (wrapper,)).make()) as env:
        seen = [env.reset(seed=seed)[0]]
        for _ in range(steps):
            seen.append(env.step(act(seen[-1], env))[0])
    return seen


@chapter.command
def frames(seed: int = 1, mode: Mode = DEFAULT) -> int:
    """The pictures that reach the networks of Reach and of Push, while the policies from state act."""
    from agents.checkpoint import load_policy
    from analysis.plots import new_figure
    from envs.make import make_env

    steps = (0, 2, 4, 6, 8, 12)
    figure, _ = new_figure(9.6, 5.6)
    figure.clf()
    grid = figure.subplots(len(ROWS), len(steps))
    for i, (env_id, camera, goal_mode, text) in enumerate(ROWS):
        teacher, _ = load_policy(ROOT / f"checkpoints/reference/{env_id}.zip", make_env(env_id), env_id, "cpu")

        def act(_: Any, env: Any, teacher: Any = teacher) -> Any:
            return teacher.predict(env.get_wrapper_attr("state"), deterministic=True)[0]

        seen = episode(env_id, f"pixels:goal_mode={goal_mode},camera={camera},size=64", act, seed, max(steps))
        for axes, step in zip(grid[i], steps, strict=True):
            axes.imshow(seen[step]["pixels"].transpose(1, 2, 0), interpolation="nearest")
            axes.set(xticks=[], yticks=[], title="" if i else f"step {step}")
        grid[i, 0].set_ylabel(text, rotation=0, ha="right", va="center")
    return saved(figure, "frames.png", mode)


def policy_of(ckpt: str, mode: Any) -> tuple[Any, dict[str, Any]]:
    """The policy of a checkpoint and its settings; in smoke mode the student of this chapter before training."""
    from agents.build import build_policy
    from agents.checkpoint import load_policy, read_meta
    from configs.pixels import run_config
    from configs.recipes import resolve
    from envs.task import Task

    if mode.smoke:
        settings = resolve(run_config("distil", 0, smoke=True)).settings
        with contextlib.closing(Task.of_settings(settings).make()) as env:
            policy = build_policy(settings, env, "cpu")
        policy.set_training_mode(False)
        return policy, settings
    settings = read_meta(Path(ckpt)).config
    if not any(wrap.startswith("pixels") for wrap in settings.get("wrap", ())):
        raise UserError(f"{ckpt} sees no pixels; give a checkpoint of chapter 09.")
    with contextlib.closing(Task.of_settings(settings).make()) as env:
        return load_policy(Path(ckpt), env, settings["env"], "cpu")[0], settings


def show(axes: Any, policy: Any, observation: dict[str, np.ndarray]) -> None:
    """A frame with what the policy looks at: the points of a spatial softmax, and the influence of each part."""
    import numpy as np

    from agents.looks import STRIDE, WINDOW, influence, points

    size = observation["pixels"].shape[-1]
    axes.imshow(observation["pixels"][:3].transpose(1, 2, 0), interpolation="nearest")
    change = influence(policy, observation)
    # Each value belongs to the middle of its window; what does not matter stays transparent.
    low = (WINDOW - STRIDE - 1) / 2
    high = low + STRIDE * len(change)
    axes.imshow(
        np.ones_like(change),
        cmap="autumn",
        vmin=1,
        vmax=2,
        alpha=0.8 * change.clip(0, 1),
        extent=(low, high, high, low),
    )
    if found := points(policy, observation):
        places, spread = found
        # A map that is spread over the picture has a mean place that means nothing.
        sharp = spread < size / 8
        axes.scatter(*places[sharp].T, s=22, facecolors="none", edgecolors="#00e5ff", linewidths=1.2)
    axes.set(xticks=[], yticks=[], xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))


@chapter.command
def looks(ckpt: str = STUDENT, seed: int = 1, mode: Mode = DEFAULT) -> int:
    """Frames of an episode of a policy from pixels, above as they are, below with what it looks at."""
    from analysis.plots import new_figure

    policy, settings = policy_of(ckpt, mode)
    steps = (0, 2) if mode.smoke else (0, 3, 6, 9, 12, 18)
    seen = episode(settings["env"], settings["wrap"][0], lambda o, _: policy.predict(o, deterministic=True)[0],
                   seed, max(steps))  # fmt: skip
    figure, _ = new_figure(1.8 * len(steps), 3.9)
    figure.clf()
    grid = figure.subplots(2, len(steps))
    for above, below, step in zip(*grid, steps, strict=True):
        above.imshow(seen[step]["pixels"][:3].transpose(1, 2, 0), interpolation="nearest")
        above.set(xticks=[], yticks=[], title=f"step {step}")
        show(below, policy, seen[step])
    return saved(figure, "looks.png", mode)


@chapter.command
def film(ckpt: str = STUDENT, seeds: str = "0-2", size: int = 200, mode: Mode = DEFAULT) -> int:
    """Episodes of a policy from pixels: above as a person sees them, below all that the policy gets to see."""
    import numpy as np
    from PIL import Image

    from common.seeds import parse_seeds
    from envs.task import Task
    from envs.video import FPS, film, in_a_grid, write_video

    policy, settings = policy_of(ckpt, mode)
    task, chosen = Task.of_settings(settings), parse_seeds(seeds)[: 1 if mode.smoke else None]
    strips = film(lambda: policy, task, chosen, size, caption="")
    for seed in chosen:
        seen = episode(settings["env"], settings["wrap"][0], lambda o, _: policy.predict(o, deterministic=True)[0],
                       seed, len(strips[0]) - 1)  # fmt: skip
        pictures = [Image.fromarray(np.ascontiguousarray(o["pixels"][:3].transpose(1, 2, 0))) for o in seen]
        strips.append([np.asarray(p.resize((size, size), Image.Resampling.NEAREST)) for p in pictures])
    write_video(path := chapter.file("student.gif", mode), in_a_grid(strips, len(chosen))[::2], FPS // 2)
    print(path)
    return 0


def evaluations(curve: list[dict[str, Any]]) -> list[Any]:
    """The points of a run's curve in a report, as training noted them."""
    from analysis.reports import Rate

    return [
        SimpleNamespace(steps=e["steps"], wall_clock_s=60 * e["minutes"], success=Rate.model_validate(e["success"]))
        for e in curve
    ]


@chapter.command
def curves(report: str = "results/ch09_push_comparison.json", mode: Mode = DEFAULT) -> int:
    """Success of every arm and seed in a report of `compare` or `push-compare`, over steps and over time."""
    from analysis.reports import DataReport, load
    from analysis.speed_plots import curves_figure

    found = load(report, DataReport)
    groups = {arm: [evaluations(run["curve"]) for run in each["runs"]] for arm, each in found.data["arms"].items()}
    return saved(curves_figure(groups, found.env_id or ""), f"{found.name}.png", mode)


if __name__ == "__main__":
    chapter.main()
