"""Soft Actor-Critic on Stable-Baselines3's class, with the loop of off_policy.py and the learner of sac.py."""

from __future__ import annotations

import torch
from stable_baselines3 import SAC

from agents.kernels.registry import make_learner
from agents.learner import Learner
from agents.off_policy import FastOffPolicy


class FastSAC(FastOffPolicy, SAC):
    """Stock `SAC`, faster; see `FastOffPolicy`."""

    def _learner(self, bounds: tuple[float, float] | None) -> Learner:
        return make_learner(
            "sac", self.fast["kernel"], self.features, self.action_space.shape[0],
            self.policy_kwargs["net_arch"], self.learning_rate, self.tau,
            None if self.ent_coef == "auto" else float(self.ent_coef), bounds, device=str(self.device),
            **{} if self.encoder is None else {"encoder": self.encoder},
        )  # fmt: skip

    @torch.no_grad()
    def publish(self) -> None:
        """Write the networks into the stock policy, and the entropy's weight where it is tuned."""
        super().publish()
        if self.log_ent_coef is not None:
            self.log_ent_coef.copy_(self.learner.log_ent_coef)
