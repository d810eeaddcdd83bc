"""Soft Actor-Critic on Stable-Baselines3's class, with the loop of off_policy.py and the update of sac_update.py."""

from __future__ import annotations

from stable_baselines3 import SAC

from agents.off_policy import FastOffPolicy
from agents.sac_update import SacUpdate


class FastSAC(FastOffPolicy, SAC):
    """Stock `SAC`, faster; see `FastOffPolicy`."""

    def _learner(self, bounds: tuple[float, float] | None) -> SacUpdate:
        return SacUpdate(
            self.input_map.outputs, self.action_space.shape[0], self.policy_kwargs["net_arch"], self.learning_rate,
            self.tau, None if self.ent_coef == "auto" else float(self.ent_coef), bounds, str(self.device),
        )  # fmt: skip

    def _publish_networks(self) -> None:
        actor, policy = self.learner.actor, self.policy
        self._publish(actor, 0, policy.actor.latent_pi)
        # One last layer with two heads, which stock keeps as two layers.
        size, weight, bias = self.action_space.shape[0], actor.weights[-1][0], actor.biases[-1][0]
        self._write(policy.actor.mu, weight[:, :size], bias[:, :size])
        self._write(policy.actor.log_std, weight[:, size:], bias[:, size:])
        for stack, network in ((self.learner.critic, policy.critic), (self.learner.target, policy.critic_target)):
            for k, sequence in enumerate(network.q_networks):
                self._publish(stack, k, sequence)
        if self.log_ent_coef is not None:
            self.log_ent_coef.copy_(self.learner.log_ent_coef)
