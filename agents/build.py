"""Building a learner, and building the policy alone, from resolved settings.

`BACKENDS` is where another learner joins: a function with the signature of `build_sb3`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.her import HerReplayBuffer

from analysis.errors import UserError

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {"ppo": PPO, "sac": SAC, "td3": TD3}
# Settings that go to the constructor under the same name.
OFF_POLICY = ("learning_rate", "buffer_size", "learning_starts", "batch_size", "tau", "gamma", "train_freq",
              "gradient_steps")  # fmt: skip
PASSED_ON = {
    "sac": (*OFF_POLICY, "ent_coef"),
    "td3": (*OFF_POLICY, "policy_delay", "target_policy_noise", "target_noise_clip"),
    "ppo": ("learning_rate", "n_steps", "batch_size", "n_epochs", "gamma", "gae_lambda", "clip_range", "ent_coef",
            "vf_coef", "max_grad_norm"),
}  # fmt: skip


def policy_name(space: gym.Space) -> str:
    """Stable-Baselines3's name of the policy for this observation space: dictionaries are concatenated."""
    return "MultiInputPolicy" if isinstance(space, gym.spaces.Dict) else "MlpPolicy"


def choose_device(wanted: str) -> str:
    """`cpu` or `cuda`; `auto` takes the GPU where PyTorch can use one. Raises `UserError` on cuda without a GPU."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: PyTorch sees no GPU here; use --device auto or cpu.")
    return wanted


def build_sb3(settings: dict[str, Any], env: VecEnv, device: str) -> BaseAlgorithm:
    """Stable-Baselines3's own class with these settings; the environment is not reset yet."""
    algo = settings["algo"]
    arguments = {key: settings[key] for key in PASSED_ON[algo]}
    arguments["policy_kwargs"] = {"net_arch": list(settings["net_arch"])}
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


Builder = Callable[[dict[str, Any], VecEnv, str], BaseAlgorithm]
BACKENDS: dict[str, Builder] = {"sb3": build_sb3}


def build(settings: dict[str, Any], env: VecEnv, device: str) -> BaseAlgorithm:
    """The learner that `settings` describe. Raises `UserError` where the task does not fit the algorithm."""
    if settings["algo"] != "ppo" and not isinstance(env.action_space, gym.spaces.Box):
        raise UserError(f"{settings['algo']} needs continuous actions; {settings['env']} has {env.action_space}.")
    return BACKENDS[settings["backend"]](settings, env, device)


def build_policy(settings: dict[str, Any], env: gym.Env, device: str) -> BasePolicy:
    """The policy network of `settings` with fresh weights, for the spaces of `env`."""
    cls = ALGORITHMS[settings["algo"]].policy_aliases[policy_name(env.observation_space)]
    policy = cls(env.observation_space, env.action_space, lambda _: 0.0, net_arch=list(settings["net_arch"]))
    return policy.to(device)
