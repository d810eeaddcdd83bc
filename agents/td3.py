"""Twin Delayed DDPG with ordinary modules and automatic differentiation: the learner to read beside `agents/sac.py`.

A deterministic actor climbs one of two critics; three things keep the critics from fooling it: the smaller of the two
makes the targets, noise on the target action smooths them, and the actor waits for the critics. Source: Fujimoto et al.
2018, "Addressing Function Approximation Error in Actor-Critic Methods" (arXiv:1802.09477), algorithm 1.

B transitions, F features, A actions. `agents/kernels/td3.py` is the same update with its gradients written out;
tests/agents/test_td3.py holds both to equal weights.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from agents.learner import Batch
from agents.modules import TwinCritic, adam_state, descend, extractor_weights, grad_norm, load_adam, perceptron


class Actor(nn.Module):
    """Features to an action: a perceptron and tanh."""

    def __init__(self, features: int, actions: int, hidden: Sequence[int]):
        super().__init__()
        self.layers = perceptron((features, *hidden, actions))

    def forward(self, features: Tensor) -> Tensor:
        """Actions (B, A) in [−1, 1] of features (B, F)."""
        return torch.tanh(self.layers(features))


class Td3:
    """Actor, two critics, and target copies of all three.

    `hidden`: layers of actor and critics. The actor and all targets move at every `policy_delay`-th update.
    `policy_noise` and `noise_clip`: standard deviation and bound of the noise on target actions. `action_noise`:
    standard deviation of exploration. `clip_targets`: bounds of the critics' targets, or None. `encoder`: observations
    to features (B, F), as for images; the critics' loss trains it, the actor reads what it gives.
    """

    def __init__(
        self, features: int, actions: int, hidden: Sequence[int], learning_rate: float, tau: float,
        policy_delay: int = 2, policy_noise: float = 0.2, noise_clip: float = 0.5, action_noise: float = 0.1,
        clip_targets: tuple[float, float] | None = None, device: str = "cpu", encoder: nn.Module | None = None,
    ):  # fmt: skip
        self.tau, self.clip_targets, self.updates, self.period = tau, clip_targets, 0, policy_delay
        self.policy_noise, self.noise_clip, self.action_noise = policy_noise, noise_clip, action_noise
        self.actor = Actor(features, actions, hidden).to(device)
        self.critic = TwinCritic(features, actions, hidden).to(device)
        self.actor_target = copy.deepcopy(self.actor).requires_grad_(False)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        self.encoder = (encoder or nn.Identity()).to(device)
        # What the critics' loss trains.
        self.value = nn.ModuleDict({"critic": self.critic, "encoder": self.encoder})
        self.actor_optimizer = torch.optim.Adam(self.actor.parameters(), lr=learning_rate)
        self.critic_optimizer = torch.optim.Adam(self.value.parameters(), lr=learning_rate)

    @torch.no_grad()
    def act(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        """Actions (B, A) in [−1, 1], with `noise` (B, A) times the exploration's standard deviation, or without."""
        actions = self.actor(self.encoder(observations))
        return actions if noise is None else (actions + self.action_noise * noise).clamp(-1.0, 1.0)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One update of the critics, and at every `policy_delay`-th of the rest; what is logged, as scalars."""
        self.updates += 1
        # (B, …) -> (B, F), with the gradient of the critics' loss
        features = self.encoder(batch.observations)
        target = self.td_target(batch)
        measured = {"target_mean": target.mean()} | self.improve_critics(features, batch.actions, target)
        if self.updates % self.period == 0:
            measured |= self.improve_actor(features.detach())
            self.follow()
        return measured

    @torch.no_grad()
    def td_target(self, batch: Batch) -> Tensor:
        """What the critics should say, (B,)."""
        next_features = self.encoder(batch.next_observations)
        # ε ~ clip(N(0, σ²), −c, c)
        smoothing = (self.policy_noise * batch.noise[: len(batch.rewards)]).clamp(-self.noise_clip, self.noise_clip)
        # a' = clip(μ'(s') + ε, −1, 1)
        next_actions = (self.actor_target(next_features) + smoothing).clamp(-1.0, 1.0)
        # y = r + γ minᵢ Q'ᵢ(s', a'), with γ = 0 where the task ended;  (2, B) -> (B,)
        target = batch.rewards + batch.discounts * self.target(next_features, next_actions).amin(dim=0)
        return target if self.clip_targets is None else target.clamp(*self.clip_targets)

    def improve_critics(self, features: Tensor, actions: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Move both critics of `features` (B, F) and `actions` (B, A), and the encoder, towards `target` (B,)."""
        # (2, B)
        q = self.critic(features, actions)
        # L = Σᵢ mean (Qᵢ(s, a) − y)²
        loss = (q - target).square().mean(dim=1).sum()
        descend(self.critic_optimizer, loss)
        norm = grad_norm(self.value.parameters())
        return {"critic_loss": loss.detach(), "q_mean": q.detach().mean(), "critic_grad_norm": norm}

    def improve_actor(self, features: Tensor) -> dict[str, Tensor]:
        """Move the actor uphill on the first critic of `features` (B, F)."""
        # L = −mean Q₁(s, μ(s))
        loss = -self.critic(features, self.actor(features))[0].mean()
        descend(self.actor_optimizer, loss)
        return {"actor_loss": loss.detach(), "actor_grad_norm": grad_norm(self.actor.parameters())}

    @torch.no_grad()
    def follow(self) -> None:
        """The targets follow."""
        for slow, fast in ((self.target, self.critic), (self.actor_target, self.actor)):
            for theirs, ours in zip(slow.parameters(), fast.parameters(), strict=True):
                # θ' ← θ' + τ (θ − θ')
                theirs.lerp_(ours, self.tau)

    def set_learning_rate(self, rate: float) -> None:
        """The step size of both optimisers."""
        for optimizer in (self.actor_optimizer, self.critic_optimizer):
            optimizer.param_groups[0]["lr"] = rate

    def stock_weights(self) -> dict[str, Tensor]:
        """Weights under the names of stock's `TD3Policy`, of the same shapes as there."""
        actors = {"actor": self.actor, "actor_target": self.actor_target}
        weights = {f"{name}.mu.{k}": t for name, m in actors.items() for k, t in m.layers.state_dict().items()}
        weights |= self.critic.stock_weights("critic") | self.target.stock_weights("critic_target")
        return weights | extractor_weights(self.encoder, ("actor", "actor_target", "critic", "critic_target"))

    def _optimised(self) -> dict[str, tuple[torch.optim.Adam, dict[str, nn.Parameter]]]:
        return {
            "actor_optimizer": (self.actor_optimizer, dict(self.actor.named_parameters())),
            "critic_optimizer": (self.critic_optimizer, dict(self.value.named_parameters())),
        }

    def state(self) -> dict[str, Any]:
        """Weights, optimiser states, and how many updates there were: the next one may be the actor's."""
        names = ("actor", "critic", "actor_target", "target", "encoder")
        optimizers = {name: adam_state(*pair) for name, pair in self._optimised().items()}
        return {name: getattr(self, name).state_dict() for name in names} | optimizers | {"updates": self.updates}

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Take over `state`, of this learner or of a kernel."""
        for name in ("actor", "critic", "actor_target", "target", "encoder"):
            getattr(self, name).load_state_dict(state[name])
        for name, pair in self._optimised().items():
            load_adam(*pair, state[name])
        self.updates = int(state["updates"])
