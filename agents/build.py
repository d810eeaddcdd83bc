"""Building a learner, and building the policy alone, from resolved settings.

Another learner joins in `agents.settings.BACKENDS`.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.her import HerReplayBuffer

from agents.networks import PRIVILEGED, policy_arguments, policy_name, stock_space
from agents.replay import extra_boxes
from agents.replay_memory import available, bytes_per_transition, check_memory, stacked_frames
from agents.settings import BACKENDS, FastSettings, passed_on
from agents.task_questions import measured_goal_of
from common.errors import UserError
from common.knobs import names

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {"ppo": PPO, "sac": SAC, "td3": TD3}


def choose_device(wanted: str) -> str:
    """`cpu` or `cuda`; `auto` takes the GPU where PyTorch can use one. Raises `UserError` on cuda without a GPU."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch sees no GPU here; use --device auto or cpu.")
    return wanted


def build_sb3(settings: dict[str, Any], env: VecEnv, device: str) -> BaseAlgorithm:
    """Stable-Baselines3's own class with these settings; the environment is not reset yet.

    Raises `UserError` where its own networks would read what a policy from pictures must not.
    """
    algo, keys = settings["algo"], getattr(env.observation_space, "spaces", {})
    secret = [key for key in PRIVILEGED if key in keys]
    if secret and any(is_image_space(box) for box in keys.values()) and not settings.get("encoder"):
        raise UserError(f"--backend sb3 would read {' and '.join(secret)} beside the pictures: add --encoder.")
    arguments = {key: settings[key] for key in passed_on(algo)}
    arguments["policy_kwargs"] = policy_arguments(settings)
    if algo == "td3" and settings["action_noise"] > 0:
        size = env.action_space.shape[0]
        arguments["action_noise"] = NormalActionNoise(np.zeros(size), np.full(size, settings["action_noise"]))
    if settings["her"]:
        arguments["replay_buffer_class"] = HerReplayBuffer
        arguments["replay_buffer_kwargs"] = {
            "n_sampled_goal": settings["her_n_sampled_goal"],
            "goal_selection_strategy": settings["her_goal_selection_strategy"],
        }
    return ALGORITHMS[algo](policy_name(env.observation_space), env, seed=settings["seed"], device=device, **arguments)


def build_fast(
    settings: dict[str, Any], env: VecEnv, device: str, classes: dict[str, Any] | None = None, **more: Any
) -> BaseAlgorithm:
    """Our learner, or one of `classes` made from it, which gets `more` beside the fast settings.

    Raises `UserError` on a task without goals or without a time limit.
    """
    from agents.fast_sac import FastSAC
    from agents.fast_td3 import FastTD3

    spec = env.get_attr("spec", indices=[0])[0]
    keys = getattr(env.observation_space, "spaces", {})
    # An encoder reads whatever is shown; what precedes perceptrons (agents/input_map.py) must know the goals' place.
    readable = keys if settings.get("encoder") else {"observation", "achieved_goal", "desired_goal"} <= set(keys)
    if not readable or spec is None or not spec.max_episode_steps:
        raise UserError(
            f"--backend fast needs a goal-conditioned task with a time limit; use --backend sb3 on {settings['env']}."
        )
    if settings.get("augment") and not settings.get("encoder"):
        raise UserError("--augment changes pictures, which are read through an encoder: add --encoder.")
    if not settings.get("encoder") and (unread := extra_boxes(env.observation_space)):
        raise UserError(f"--backend fast reads {', '.join(unread)} through an encoder only: add --encoder cnn.")
    # Never more transitions than the run has steps.
    kept = min(settings["buffer_size"], settings["total_steps"])
    each = bytes_per_transition(env.observation_space, stacked_frames(env), spec.max_episode_steps)
    check_memory(kept, each, available())
    arguments = {key: settings[key] for key in passed_on(settings["algo"])}
    if settings["algo"] == "td3":
        arguments["exploration_noise"] = settings["action_noise"]
    her = settings["her"]
    fast = {key: settings[key] for key in names(FastSettings) if key in settings} | {
        # n relabelled transitions for each original one
        "her_ratio": 1.0 - 1.0 / (settings["her_n_sampled_goal"] + 1) if her else 0.0,
        "her_goal_selection_strategy": settings["her_goal_selection_strategy"] if her else "future",
    }
    cls = (classes or {"sac": FastSAC, "td3": FastTD3})[settings["algo"]]
    return cls(
        policy_name(env.observation_space), env, spec.max_episode_steps, fast | more, seed=settings["seed"],
        device=device, policy_kwargs=policy_arguments(settings), **arguments,
    )  # fmt: skip


def check_observations(space: gym.Space, env_id: str) -> None:
    """Raise `UserError` on observations that no network here takes: they must be arrays, or a dictionary of arrays."""
    parts = space.spaces.values() if isinstance(space, gym.spaces.Dict) else [space]
    if bad := [part for part in parts if part.shape is None]:
        kind = type(bad[0]).__name__
        raise UserError(f"{env_id} has observations of kind {kind}; arrays or a dictionary of arrays are needed.")


def build(settings: dict[str, Any], env: VecEnv, device: str) -> BaseAlgorithm:
    """The learner that `settings` describe, which logs nowhere until `set_logger` says where.

    Raises `UserError` where the task does not fit the algorithm.
    """
    if settings["algo"] != "ppo" and not isinstance(env.action_space, gym.spaces.Box):
        raise UserError(f"{settings['algo']} needs continuous actions; {settings['env']} has {env.action_space}.")
    if settings["backend"] != "fast" or settings.get("encoder"):
        _check_goals_are_measured(env)
    try:
        model = BACKENDS[settings["backend"]].build(settings, env, device)
    except UserError:
        raise
    except ValueError as error:
        # An encoder may not fit what the task shows.
        if not settings.get("encoder"):
            raise
        raise UserError(f"encoder {settings['encoder']} on {settings['env']}: {error}") from error
    # Without a logger, each call of `learn` would leave an empty folder in the temporary one.
    model.set_logger(Logger(None, []))
    return model


def _check_goals_are_measured(env: VecEnv) -> None:
    """Raise `UserError` where `achieved_goal` holds the truth for hindsight, which these networks would read."""
    if measured_goal_of(env) is not None:
        raise UserError("true_goals needs --backend fast and no encoder: other networks would read the true goals.")


def build_policy(settings: dict[str, Any], env: gym.Env, device: str) -> BasePolicy:
    """The policy network of `settings` with fresh weights, for the spaces of `env`."""
    space = stock_space(env.observation_space)
    cls = ALGORITHMS[settings["algo"]].policy_aliases[policy_name(space)]
    return cls(space, env.action_space, lambda _: 0.0, **policy_arguments(settings)).to(device)
