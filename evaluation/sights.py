"""What a policy from pixels was shown in an episode, and what of it mattered to it, drawn on the frames."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.policies import BasePolicy

from agents.build import build_policy
from agents.checkpoint import load_policy, read_meta
from agents.looks import STRIDE, WINDOW, influence, points
from common.errors import UserError
from envs.task import Task

Observation = dict[str, np.ndarray]


def trained(ckpt: Path) -> tuple[BasePolicy, dict[str, Any]]:
    """The policy of a checkpoint, and the settings of its run. Raises `UserError` where it sees no pixels."""
    settings = read_meta(ckpt).config
    if not any(wrap.startswith("pixels") for wrap in settings.get("wrap", ())):
        raise UserError(f"{ckpt} sees no pixels; give a checkpoint of chapter 09.")
    with contextlib.closing(Task.of_settings(settings).make()) as env:
        return load_policy(ckpt, env, settings["env"], "cpu")[0], settings


def untrained(settings: dict[str, Any]) -> BasePolicy:
    """The policy with which a run of these settings begins."""
    with contextlib.closing(Task.of_settings(settings).make()) as env:
        policy = build_policy(settings, env, "cpu")
    policy.set_training_mode(False)
    return policy


def episode(task: Task, act: Callable[[Observation, gym.Env], np.ndarray], seed: int, steps: int) -> list[Observation]:
    """What is shown at the reset and after each of the first `steps` steps; `act(observation, env)` gives (A,)."""
    with contextlib.closing(task.make()) as env:
        seen = [env.reset(seed=seed)[0]]
        for _ in range(steps):
            seen.append(env.step(act(seen[-1], env))[0])
    return seen


def shown_to(policy: BasePolicy, settings: dict[str, Any], seed: int, steps: int) -> list[Observation]:
    """`episode` of a policy on its own task, acting without exploration."""
    task = Task.of_settings(settings)
    return episode(task, lambda seen, _: policy.predict(seen, deterministic=True)[0], seed, steps)


def picture(observation: Observation) -> np.ndarray:
    """The first view (H, W, 3) of what is shown."""
    return np.ascontiguousarray(observation["pixels"][:3].transpose(1, 2, 0))


def draw_looks(axes: Any, policy: BasePolicy, observation: Observation) -> None:
    """A frame with what the policy looks at: the points of a spatial softmax, and the influence of each part."""
    size = observation["pixels"].shape[-1]
    axes.imshow(picture(observation), interpolation="nearest")
    change = influence(policy, observation)
    # Each value belongs to the middle of its window; what does not matter stays transparent.
    low = (WINDOW - STRIDE - 1) / 2
    high = low + STRIDE * len(change)
    red, extent = np.ones_like(change), (low, high, high, low)
    axes.imshow(red, cmap="autumn", vmin=1, vmax=2, alpha=0.8 * change.clip(0, 1), extent=extent)
    if found := points(policy, observation):
        places, spread = found
        # A map that is spread over the picture has a mean place that means nothing.
        sharp = spread < size / 12
        axes.scatter(*places[sharp].T, s=22, facecolors="none", edgecolors="#00e5ff", linewidths=1.2)
    axes.set(xticks=[], yticks=[], xlim=(-0.5, size - 0.5), ylim=(size - 0.5, -0.5))
