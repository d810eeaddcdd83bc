"""One update of TD3, with the gradients written out: the mathematics of Stable-Baselines3's `TD3.train`.

Source: Fujimoto et al. 2018, "Addressing Function Approximation Error in Actor-Critic Methods" (arXiv:1802.09477),
algorithm 1. tests/agents/test_td3_update.py compares the parameters with those of the stock class after each update.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from agents.mlp import FlatAdam, MlpStack, fresh_layers

ONLY_FIRST = slice(0, 1)


class Td3Update:
    """Actor, two critics and the targets of all three on features (B, F), with their optimisers.

    The actor and all targets follow at every `policy_delay`-th update. `policy_noise` and `noise_clip` smooth the
    target action; `action_noise` is the standard deviation of exploration. `clip_targets`: bounds of the critics'
    targets, or None.
    """

    def __init__(
        self, features: int, actions: int, hidden: Sequence[int], learning_rate: float, tau: float,
        policy_delay: int = 2, policy_noise: float = 0.2, noise_clip: float = 0.5, action_noise: float = 0.1,
        clip_targets: tuple[float, float] | None = None, device: str = "cpu",
    ):  # fmt: skip
        self.features, self.tau, self.policy_delay = features, tau, policy_delay
        self.policy_noise, self.noise_clip, self.action_noise = policy_noise, noise_clip, action_noise
        self.clip_targets = clip_targets
        self.actor = MlpStack(1, (features, *hidden, actions), device)
        self.critic = MlpStack(2, (features + actions, *hidden, 1), device)
        self.actor.read([fresh_layers(self.actor.sizes)])
        self.critic.read([fresh_layers(self.critic.sizes) for _ in range(2)])
        self.actor_target = MlpStack(1, self.actor.sizes, device)
        self.target = MlpStack(2, self.critic.sizes, device)
        self.actor_target.flat.copy_(self.actor.flat)
        self.target.flat.copy_(self.critic.flat)
        self.actor_optimizer = FlatAdam(self.actor.flat, self.actor.grad, learning_rate)
        self.critic_optimizer = FlatAdam(self.critic.flat, self.critic.grad, learning_rate)
        self.optimizers = (self.actor_optimizer, self.critic_optimizer)
        self.updates, self.period = 0, policy_delay

    @torch.no_grad()
    def act(self, phi: Tensor, noise: Tensor | None) -> Tensor:
        """Actions (B, A) in [−1, 1] for features (B, F), with standard normal `noise` (B, A) or none."""
        action = torch.tanh(self.actor.forward(phi)[-1][0])
        return action if noise is None else (action + self.action_noise * noise).clamp_(-1.0, 1.0)

    @torch.no_grad()
    def __call__(
        self, phi: Tensor, next_phi: Tensor, actions: Tensor, rewards: Tensor, discounts: Tensor, noise: Tensor
    ) -> dict[str, Tensor]:
        """One update; the first B rows of `noise` (at least (B, A), standard normal) smooth the target action.

        Returns the losses as tensors, under the names that are logged; the actor's where it was updated.
        """
        self.updates += 1
        # a' = clip(μ'(s') + clip(ε, −c, c), −1, 1)
        smoothing = (self.policy_noise * noise[: len(phi)]).clamp_(-self.noise_clip, self.noise_clip)
        next_actions = (torch.tanh(self.actor_target.forward(next_phi)[-1][0]) + smoothing).clamp_(-1.0, 1.0)
        next_q = self.target.forward(torch.cat([next_phi, next_actions], 1))[-1][:, :, 0].amin(0)
        # y = r + γ minᵢ Q'ᵢ(s', a'), with γ = 0 where s' is terminal
        y = rewards + discounts * next_q
        if self.clip_targets is not None:
            y = y.clamp(*self.clip_targets)
        inputs = torch.cat([phi, actions], 1)
        activations = self.critic.forward(inputs)
        error = activations[-1] - y[:, None]
        # L = Σᵢ mean (Qᵢ − y)²,  dL/dQᵢ = 2 (Qᵢ − y) / B
        self.critic.backward(inputs, activations, error * (2.0 / len(phi)))
        self.critic_optimizer.step()
        losses = {"critic_loss": error.square().mean(1).sum()}
        if self.updates % self.policy_delay == 0:
            losses["actor_loss"] = self._improve_actor(phi)
            # θ' ← θ' + τ (θ − θ')
            self.target.flat.lerp_(self.critic.flat, self.tau)
            self.actor_target.flat.lerp_(self.actor.flat, self.tau)
        return losses

    def _improve_actor(self, phi: Tensor) -> Tensor:
        hidden = self.actor.forward(phi)
        chosen = torch.tanh(hidden[-1][0])
        activations = self.critic.forward(torch.cat([phi, chosen], 1), ONLY_FIRST)
        # L = −mean Q₁(s, μ(s)),  da/d(before tanh) = 1 − a²
        delta = torch.full_like(activations[-1], -1.0 / len(phi))
        d_action = self.critic.to_inputs(activations, delta, slice(self.features, None), ONLY_FIRST)[0]
        self.actor.backward(phi, hidden, (d_action * (1.0 - chosen.square()))[None])
        self.actor_optimizer.step()
        return -activations[-1].mean()

    def state(self) -> dict[str, object]:
        """All that a continued run needs, as tensors."""
        return {
            "actor": self.actor.flat, "critic": self.critic.flat, "actor_target": self.actor_target.flat,
            "target": self.target.flat, "updates": torch.tensor(self.updates),
            "actor_optimizer": self.actor_optimizer.state(), "critic_optimizer": self.critic_optimizer.state(),
        }  # fmt: skip

    @torch.no_grad()
    def load(self, state: dict) -> None:
        """Take over `state`."""
        for name in ("actor", "critic", "actor_target", "target"):
            getattr(self, name).flat.copy_(state[name])
        for name in ("actor_optimizer", "critic_optimizer"):
            getattr(self, name).load(state[name])
        self.updates = int(state["updates"])
