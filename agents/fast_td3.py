"""Twin Delayed DDPG on Stable-Baselines3's class, with the loop of off_policy.py and the learner of td3.py."""

from __future__ import annotations

from typing import Any

from stable_baselines3 import TD3
from stable_baselines3.common.vec_env import VecEnv

from agents.kernels.registry import make_learner
from agents.learner import Learner
from agents.off_policy import FastOffPolicy


class FastTD3(FastOffPolicy, TD3):
    """Stock `TD3`, faster; see `FastOffPolicy`. `exploration_noise`: standard deviation of the noise on actions."""

    def __init__(
        self, policy: str, env: VecEnv, length: int, fast: dict[str, Any], exploration_noise: float, **arguments: Any
    ):
        self.exploration_noise = exploration_noise
        super().__init__(policy, env, length, fast, **arguments)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "exploration_noise"]

    def _learner(self, bounds: tuple[float, float] | None) -> Learner:
        return make_learner(
            "td3", self.fast["kernel"], self.features, self.action_space.shape[0],
            self.policy_kwargs["net_arch"], self.learning_rate, self.tau, self.policy_delay, self.target_policy_noise,
            self.target_noise_clip, self.exploration_noise, bounds, device=str(self.device),
            **{} if self.encoder is None else {"encoder": self.encoder},
        )  # fmt: skip
