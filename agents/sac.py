"""Soft Actor-Critic with ordinary modules and automatic differentiation: the learner to read.

The critics learn what an action is worth when the policy's entropy counts as reward; the actor learns to choose what
the critics value. Source: Haarnoja et al. 2018, "Soft Actor-Critic Algorithms and Applications" (arXiv:1812.05905),
equations 5 to 9 and 18; the order of the steps is that of Stable-Baselines3's `SAC.train`.

B transitions, F features, A actions. `agents/kernels/sac.py` is the same update with its gradients written out;
tests/agents/test_sac.py holds both to equal weights.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from agents.learner import ActorSample, Batch
from agents.modules import TwinCritic, adam_state, descend, extractor_weights, grad_norm, load_adam, perceptron

LOG_STD_MIN, LOG_STD_MAX = -20.0, 2.0
# Stable-Baselines3's guard against log(0) where tanh saturates.
EPSILON = 1e-6


class Actor(nn.Module):
    """A Gaussian squashed by tanh, whose mean and log σ depend on the features."""

    def __init__(self, features: int, actions: int, hidden: Sequence[int]):
        super().__init__()
        self.actions = actions
        # One last layer with two heads.
        self.layers = perceptron((features, *hidden, 2 * actions))

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """μ and log σ, (B, A) each, of features (B, F)."""
        mean, log_std = self.layers(features).split(self.actions, dim=1)
        return mean, log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)

    def sample(self, features: Tensor, noise: Tensor) -> ActorSample:
        """Actions for features (B, F), made of standard normal `noise` (B, A) so that gradients pass through them."""
        mean, log_std = self(features)
        # a = tanh(μ + σ ε)
        actions = torch.tanh(mean + log_std.exp() * noise)
        # log N(μ + σ ε; μ, σ) = Σ −ε²/2 − log σ − log(2π)/2
        gaussian = (-0.5 * noise.square() - log_std - 0.5 * math.log(2.0 * math.pi)).sum(dim=1)
        # The change of variables: log π(a|s) = log N − Σ log(1 − a²)
        return ActorSample(actions, gaussian - torch.log(1.0 - actions.square() + EPSILON).sum(dim=1))


class Sac:
    """Actor, two critics, their target copies, the weight α of the entropy, and one optimiser for each.

    `hidden`: layers of actor and critics. `ent_coef`: α, or None to tune it until the policy has an entropy of −A nats.
    `clip_targets`: bounds of the critics' targets, or None. `encoder`: observations to features (B, F), as for images;
    the critics' loss trains it, the actor reads what it gives (as in DrQ-v2, arXiv:2107.09645).
    """

    # Every update does the same operations.
    period = 1
    # What a run keeps, beside the optimisers.
    networks: tuple[str, ...] = ("actor", "critic", "target", "encoder")

    def __init__(
        self, features: int, actions: int, hidden: Sequence[int], learning_rate: float, tau: float,
        ent_coef: float | None, clip_targets: tuple[float, float] | None = None, device: str = "cpu",
        encoder: nn.Module | None = None,
    ):  # fmt: skip
        self.tau, self.clip_targets, self.target_entropy, self.updates = tau, clip_targets, -float(actions), 0
        self.actor = Actor(features, actions, hidden).to(device)
        self.critic = TwinCritic(features, actions, hidden).to(device)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        self.encoder = (encoder or nn.Identity()).to(device)
        self.tuned = ent_coef is None
        # log α is what is tuned: α itself stays positive.
        start = 0.0 if ent_coef is None else math.log(max(ent_coef, 1e-30))
        self.log_ent_coef = nn.Parameter(torch.full((1,), start, device=device))
        # What the critics' loss trains.
        self.value = nn.ModuleDict({"critic": self.critic, "encoder": self.encoder})
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=learning_rate)
        self.critic_optimizer = torch.optim.Adam(self.value.parameters(), lr=learning_rate)
        self.ent_coef_optimizer = torch.optim.Adam([self.log_ent_coef], lr=learning_rate)

    @torch.no_grad()
    def act(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        """Actions (B, A) in [−1, 1]: samples made of `noise` (B, A), or tanh(μ) where it is None."""
        features = self.encoder(observations)
        return torch.tanh(self.actor(features)[0]) if noise is None else self.actor.sample(features, noise).actions

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One update of everything; the losses and what else is logged, as scalars."""
        self.updates += 1
        alpha = self.log_ent_coef.detach().exp()
        noise, next_noise = batch.noise.chunk(2)
        # (B, …) -> (B, F), with the gradient of the critics' loss
        features = self.encoder(batch.observations)
        # The actor reads what the encoder gives, and does not train it.
        sample = self.actor.sample(features.detach(), noise)
        target = self.td_target(batch, next_noise, alpha)
        measured = {"ent_coef": alpha[0], "entropy": -sample.log_prob.detach().mean(), "target_mean": target.mean()}
        measured |= self.improve_entropy_weight(sample.log_prob.detach()) if self.tuned else {}
        measured |= self.improve_critics(batch, features, target)
        measured |= self.improve_actor(self.critics_read(batch.observations, features).detach(), sample, alpha)
        self.follow()
        return measured

    def critics_read(self, observations: Any, features: Tensor) -> Tensor:
        """What the critics judge by, (B, …): the encoder's features (B, F) of these observations."""
        return features

    @torch.no_grad()
    def td_target(self, batch: Batch, noise: Tensor, alpha: Tensor, next_features: Tensor | None = None) -> Tensor:
        """What the critics should say, (B,), with `noise` (B, A) and, where they are known, `next_features` (B, F)."""
        next_features = self.encoder(batch.next_observations) if next_features is None else next_features
        # a' ~ π(·|s')
        following = self.actor.sample(next_features, noise)
        read = self.critics_read(batch.next_observations, next_features)
        # V(s') = minᵢ Q'ᵢ(s', a') − α log π(a'|s');  (2, B) -> (B,)
        next_value = self.target(read, following.actions).amin(dim=0) - alpha * following.log_prob
        # y = r + γ V(s'), with γ = 0 where the task ended
        target = batch.rewards + batch.discounts * next_value
        return target if self.clip_targets is None else target.clamp(*self.clip_targets)

    def improve_entropy_weight(self, log_prob: Tensor) -> dict[str, Tensor]:
        """Raise α where the entropy, of `log_prob` (B,), is below its target, lower it where it is above."""
        # L(α) = −log α · mean(log π(a|s) + H̄)
        loss = -(self.log_ent_coef * (log_prob + self.target_entropy).mean()).sum()
        descend(self.ent_coef_optimizer, loss)
        return {"ent_coef_loss": loss.detach()}

    def improve_critics(self, batch: Batch, features: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Move both critics of `features` (B, F), and the encoder, towards `target` (B,)."""
        # (2, B)
        q = self.critic(self.critics_read(batch.observations, features), batch.actions)
        # L = ½ Σᵢ mean (Qᵢ(s, a) − y)²
        loss = 0.5 * (q - target).square().mean(dim=1).sum()
        descend(self.critic_optimizer, loss)
        norm = grad_norm(self.value.parameters())
        return {"critic_loss": loss.detach(), "q_mean": q.detach().mean(), "critic_grad_norm": norm}

    def improve_actor(self, features: Tensor, sample: ActorSample, alpha: Tensor) -> dict[str, Tensor]:
        """Move the policy towards actions that the smaller critic of `features` (B, F) values, and towards entropy."""
        # (2, B) -> (B,)
        q = self.critic(features, sample.actions).amin(dim=0)
        # L = mean (α log π(a|s) − minᵢ Qᵢ(s, a))
        loss = (alpha * sample.log_prob - q).mean()
        descend(self.actor_optimizer, loss)
        return {"actor_loss": loss.detach(), "actor_grad_norm": grad_norm(self.actor.parameters())}

    @torch.no_grad()
    def follow(self) -> None:
        """The targets follow the critics."""
        for slow, fast in zip(self.target.parameters(), self.critic.parameters(), strict=True):
            # θ' ← θ' + τ (θ − θ')
            slow.lerp_(fast, self.tau)

    def set_learning_rate(self, rate: float) -> None:
        """The step size of all optimisers."""
        for optimizer in (self.actor_optimizer, self.critic_optimizer, self.ent_coef_optimizer):
            optimizer.param_groups[0]["lr"] = rate

    def stock_weights(self) -> dict[str, Tensor]:
        """Weights under the names of stock's `SACPolicy`, of the same shapes as there."""
        *hidden, last = [layer for layer in self.actor.layers if isinstance(layer, nn.Linear)]
        weights = {f"actor.latent_pi.{2 * i}.{k}": t for i, m in enumerate(hidden) for k, t in m.state_dict().items()}
        for key, value in last.state_dict().items():
            # Stock keeps the two heads as two layers.
            weights[f"actor.mu.{key}"], weights[f"actor.log_std.{key}"] = value.chunk(2)
        weights |= self.critic.stock_weights("critic") | self.target.stock_weights("critic_target")
        return weights | extractor_weights(self.encoder, ("actor", "critic", "critic_target"))

    def _optimised(self) -> dict[str, tuple[torch.optim.Adam, dict[str, nn.Parameter]]]:
        return {
            "actor_optimizer": (self.actor_optimizer, dict(self.actor.named_parameters())),
            "critic_optimizer": (self.critic_optimizer, dict(self.value.named_parameters())),
            "ent_coef_optimizer": (self.ent_coef_optimizer, {"log_ent_coef": self.log_ent_coef}),
        }

    def state(self) -> dict[str, Any]:
        """Weights and optimiser states."""
        networks = {name: getattr(self, name).state_dict() for name in self.networks}
        optimizers = {name: adam_state(*pair) for name, pair in self._optimised().items()}
        return networks | optimizers | {"log_ent_coef": self.log_ent_coef.detach(), "updates": self.updates}

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Take over `state`, of this learner or of a kernel."""
        for name in self.networks:
            getattr(self, name).load_state_dict(state[name])
        for name, pair in self._optimised().items():
            load_adam(*pair, state[name])
        self.log_ent_coef.copy_(state["log_ent_coef"])
        self.updates = int(state["updates"])
