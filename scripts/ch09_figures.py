"""The pictures of chapter 09: frames as a policy sees them, what it looks at over an episode, a film, the curves.

    python scripts/ch09_figures.py frames                       # both views of Reach; Push with its marker and without
    python scripts/ch09_figures.py looks --ckpt runs/ch09/FetchPush-v4_distil_seed0.zip
    python scripts/ch09_figures.py film --ckpt runs/ch09/FetchPush-v4_distil_seed0.zip
    python scripts/ch09_figures.py curves                       # of results/ch09_push_comparison.json

They go to runs/ch09/, and with --publish to tutorials/figures/ch09_*. In smoke mode an untrained policy is drawn.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from chapter import DEFAULT, Chapter, Mode

from common.provenance import ROOT

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


@chapter.command
def frames(seed: int = 1, mode: Mode = DEFAULT) -> int:
    """The pictures that reach the networks of Reach and of Push, while the policies from state act."""
    from agents.checkpoint import load_policy
    from analysis.plots import new_figure
    from envs.make import make_env
    from envs.task import Task
    from evaluation.sights import episode, picture

    steps = (0, 2, 4, 6, 8, 12)
    figure, _ = new_figure(9.6, 5.6)
    figure.clf()
    grid = figure.subplots(len(ROWS), len(steps))
    for i, (env_id, camera, goal_mode, text) in enumerate(ROWS):
        teacher, _ = load_policy(ROOT / f"checkpoints/reference/{env_id}.zip", make_env(env_id), env_id, "cpu")

        def act(_: Any, env: Any, teacher: Any = teacher) -> Any:
            return teacher.predict(env.get_wrapper_attr("state"), deterministic=True)[0]

        task = Task(env_id, (f"pixels:goal_mode={goal_mode},camera={camera},size=64",))
        seen = episode(task, act, seed, max(steps))
        for axes, step in zip(grid[i], steps, strict=True):
            axes.imshow(picture(seen[step]), interpolation="nearest")
            axes.set(xticks=[], yticks=[], title="" if i else f"step {step}")
        grid[i, 0].set_ylabel(text, rotation=0, ha="right", va="center")
    return saved(figure, "frames.png", mode)


def policy_of(ckpt: str, mode: Any) -> tuple[Any, dict[str, Any]]:
    """The policy of a checkpoint and its settings; in smoke mode the student of this chapter before training."""
    from configs.pixels import run_config
    from configs.recipes import resolve
    from evaluation.sights import trained, untrained

    if mode.smoke:
        settings = resolve(run_config("distil", 0, smoke=True)).settings
        return untrained(settings), settings
    return trained(Path(ckpt))


@chapter.command
def looks(ckpt: str = STUDENT, seed: int = 1, mode: Mode = DEFAULT) -> int:
    """Frames of an episode of a policy from pixels, above as they are, below with what it looks at."""
    from analysis.plots import new_figure
    from evaluation.sights import draw_looks, picture, shown_to

    policy, settings = policy_of(ckpt, mode)
    steps = (0, 2) if mode.smoke else (0, 3, 6, 9, 12, 18)
    seen = shown_to(policy, settings, seed, max(steps))
    figure, _ = new_figure(1.8 * len(steps), 3.9)
    figure.clf()
    grid = figure.subplots(2, len(steps))
    for above, below, step in zip(*grid, steps, strict=True):
        above.imshow(picture(seen[step]), interpolation="nearest")
        above.set(xticks=[], yticks=[], title=f"step {step}")
        draw_looks(below, policy, seen[step])
    return saved(figure, "looks.png", mode)


@chapter.command
def film(ckpt: str = STUDENT, seeds: str = "0-2", size: int = 200, mode: Mode = DEFAULT) -> int:
    """Episodes of a policy from pixels: above as a person sees them, below all that the policy gets to see."""
    import numpy as np
    from PIL import Image

    from common.seeds import parse_seeds
    from envs.task import Task
    from envs.video import FPS, film, in_a_grid, write_video
    from evaluation.sights import picture, shown_to

    policy, settings = policy_of(ckpt, mode)
    task, chosen = Task.of_settings(settings), parse_seeds(seeds)[: 1 if mode.smoke else None]
    strips = film(lambda: policy, task, chosen, size, caption="")
    for seed in chosen:
        pictures = [Image.fromarray(picture(seen)) for seen in shown_to(policy, settings, seed, len(strips[0]) - 1)]
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
