"""One update of Soft Actor-Critic, with the gradients written out: the mathematics of Stable-Baselines3's `SAC.train`.

Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications" (arXiv:1812.05905), equations 5 to 9 and
18. tests/agents/test_sac_update.py compares every gradient with automatic differentiation of the stock classes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from agents.mlp import FlatAdam, MlpStack, fresh_layers

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
# Stable-Baselines3's guard against log(0) where tanh saturates.
EPSILON = 1e-6


class SacUpdate:
    """Actor, two critics and their targets on features (B, F), with their optimisers.

    `ent_coef`: the weight of the entropy, or None to tune it towards an entropy of −A nats. `clip_targets`: bounds of
    the critics' targets, or None.
    """

    # Every update does the same.
    period = 1

    def __init__(
        self, features: int, actions: int, hidden: Sequence[int], learning_rate: float, tau: float,
        ent_coef: float | None, clip_targets: tuple[float, float] | None = None, device: str = "cpu",
    ):  # fmt: skip
        self.features, self.actions, self.tau = features, actions, tau
        self.clip_targets, self.updates = clip_targets, 0
        self.actor = MlpStack(1, (features, *hidden, 2 * actions), device)
        self.critic = MlpStack(2, (features + actions, *hidden, 1), device)
        self.target = MlpStack(2, self.critic.sizes, device)
        self.actor.read([fresh_layers(self.actor.sizes)])
        self.critic.read([fresh_layers(self.critic.sizes) for _ in range(2)])
        self.target.flat.copy_(self.critic.flat)
        self.actor_optimizer = FlatAdam(self.actor.flat, self.actor.grad, learning_rate)
        self.critic_optimizer = FlatAdam(self.critic.flat, self.critic.grad, learning_rate)
        self.tuned = ent_coef is None
        self.log_ent_coef = torch.tensor([0.0 if ent_coef is None else math.log(max(ent_coef, 1e-30))], device=device)
        self.ent_coef_grad = torch.zeros(1, device=device)
        self.ent_coef_optimizer = FlatAdam(self.log_ent_coef, self.ent_coef_grad, learning_rate)
        self.optimizers = (self.actor_optimizer, self.critic_optimizer, self.ent_coef_optimizer)

    @torch.no_grad()
    def act(self, phi: Tensor, noise: Tensor | None) -> Tensor:
        """Actions (B, A) in [−1, 1] for features (B, F); the mean action where `noise` (B, A) is None."""
        mean, log_std = self.actor.forward(phi)[-1][0].split(self.actions, dim=1)
        if noise is None:
            return torch.tanh(mean)
        return torch.tanh(mean + log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).exp() * noise)

    @torch.no_grad()
    def __call__(
        self, phi: Tensor, next_phi: Tensor, actions: Tensor, rewards: Tensor, discounts: Tensor, noise: Tensor
    ) -> dict[str, Tensor]:
        """One update; `noise` (2 B, A) is standard normal, for the states and then for the next states;
        `discounts` (B,) is what the value of a next state counts.

        Returns the losses as tensors, under the names that are logged.
        """
        n = len(phi)
        self.updates += 1
        alpha = self.log_ent_coef.exp()
        # The actor does not change until the end, so both of its passes are one.
        hidden = self.actor.forward(torch.cat([phi, next_phi]))
        mean, raw_log_std = hidden[-1][0].split(self.actions, dim=1)
        log_std = raw_log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)
        spread = log_std.exp() * noise
        # a = tanh(μ + σ ε)
        sampled = torch.tanh(mean + spread)
        slope = 1.0 - sampled.square()
        # log π(a|s) = Σ −ε²/2 − log σ − log(2π)/2 − log(1 − a²)
        log_prob = (-0.5 * noise.square() - log_std - HALF_LOG_TWO_PI - torch.log(slope + EPSILON)).sum(1)
        losses = {"ent_coef": alpha[0]}
        if self.tuned:
            losses |= self._tune_entropy(log_prob[:n])
        losses["critic_loss"] = self._improve_critics(
            phi, next_phi, actions, rewards, discounts, sampled[n:], log_prob[n:], alpha
        )
        losses["actor_loss"] = self._improve_actor(
            phi, [h[:, :n] for h in hidden], raw_log_std[:n], spread[:n], sampled[:n], slope[:n], log_prob[:n], alpha
        )
        # θ' ← θ' + τ (θ − θ')
        self.target.flat.lerp_(self.critic.flat, self.tau)
        return losses

    def _improve_critics(
        self, phi: Tensor, next_phi: Tensor, actions: Tensor, rewards: Tensor, discounts: Tensor,
        next_actions: Tensor, next_log_prob: Tensor, alpha: Tensor,
    ) -> Tensor:  # fmt: skip
        next_q = self.target.forward(torch.cat([next_phi, next_actions], 1))[-1][:, :, 0].amin(0)
        # y = r + γ (minᵢ Q'ᵢ(s', a') − α log π(a'|s')), with γ = 0 where s' is terminal
        y = rewards + discounts * (next_q - alpha * next_log_prob)
        if self.clip_targets is not None:
            y = y.clamp(*self.clip_targets)
        inputs = torch.cat([phi, actions], 1)
        activations = self.critic.forward(inputs)
        error = activations[-1] - y[:, None]
        # L = ½ Σᵢ mean (Qᵢ − y)²,  dL/dQᵢ = (Qᵢ − y) / B
        self.critic.backward(inputs, activations, error / len(phi))
        self.critic_optimizer.step()
        return 0.5 * error.square().mean(1).sum()

    def _improve_actor(
        self, phi: Tensor, hidden: list[Tensor], raw_log_std: Tensor, spread: Tensor, sampled: Tensor, slope: Tensor,
        log_prob: Tensor, alpha: Tensor,
    ) -> Tensor:  # fmt: skip
        n = len(phi)
        activations = self.critic.forward(torch.cat([phi, sampled], 1))
        q, which = activations[-1][:, :, 0].min(0)
        # L = mean (α log π − minᵢ Qᵢ): only the smaller critic passes a gradient on
        d_action = self.critic.input_gradient(activations, which, -1.0 / n, slice(self.features, None))
        # d log π / da = 2 a / (1 − a²), and da / d(μ + σ ε) = 1 − a²
        d_action += (alpha / n) * 2.0 * sampled / (slope + EPSILON)
        d_mean = d_action * slope
        # d/d log σ: through the sample by σ ε, and through −log σ by −1; none where log σ was cut
        inside = (raw_log_std >= LOG_STD_MIN) & (raw_log_std <= LOG_STD_MAX)
        d_log_std = (d_mean * spread - alpha / n) * inside
        self.actor.backward(phi, hidden, torch.cat([d_mean, d_log_std], 1)[None])
        self.actor_optimizer.step()
        return (alpha * log_prob - q).mean()

    def _tune_entropy(self, log_prob: Tensor) -> dict[str, Tensor]:
        # L = −log α (log π + H̄) with H̄ = −A,  dL/d log α = −mean(log π + H̄)
        gap = (log_prob - self.actions).mean()
        loss = -(self.log_ent_coef * gap)[0]
        self.ent_coef_grad.copy_(-gap)
        self.ent_coef_optimizer.step()
        return {"ent_coef_loss": loss}

    def state(self) -> dict[str, object]:
        """All that a continued run needs, as tensors."""
        return {
            "actor": self.actor.flat, "critic": self.critic.flat, "target": self.target.flat,
            "log_ent_coef": self.log_ent_coef, "actor_optimizer": self.actor_optimizer.state(),
            "critic_optimizer": self.critic_optimizer.state(), "ent_coef_optimizer": self.ent_coef_optimizer.state(),
        }  # fmt: skip

    @torch.no_grad()
    def load(self, state: dict) -> None:
        """Take over `state`."""
        for name in ("actor", "critic", "target"):
            getattr(self, name).flat.copy_(state[name])
        self.log_ent_coef.copy_(state["log_ent_coef"])
        for name in ("actor_optimizer", "critic_optimizer", "ent_coef_optimizer"):
            getattr(self, name).load(state[name])
