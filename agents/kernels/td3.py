"""The update of `agents/td3.py` with its gradients written out, for perceptrons.

Source: Fujimoto et al. 2018 (arXiv:1802.09477), algorithm 1, and its derivatives. Tests compare the weights
with those of Stable-Baselines3's class (tests/agents/kernels/test_td3.py) and with the readable learner's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from agents.kernels.mlp import FlatAdam, MlpStack, copy_named, fresh_layers
from agents.learner import Batch

ONLY_FIRST = slice(0, 1)
ACTOR, CRITIC = ("layers",), ("members.0", "members.1")
# As parts of what the critics' optimiser trains.
VALUE = tuple(f"critic.{name}" for name in CRITIC)


class Td3Kernel:
    """Actor, two critics and the targets of all three on features (B, F); arguments as `Td3` has them.

    `stack`: how perceptrons are computed.
    """

    def __init__(
        self, features: int, actions: int, hidden: Sequence[int], learning_rate: float, tau: float,
        policy_delay: int = 2, policy_noise: float = 0.2, noise_clip: float = 0.5, action_noise: float = 0.1,
        clip_targets: tuple[float, float] | None = None, device: str = "cpu", stack: type[MlpStack] = MlpStack,
    ):  # fmt: skip
        self.features, self.tau, self.updates, self.period = features, tau, 0, policy_delay
        self.policy_noise, self.noise_clip, self.action_noise = policy_noise, noise_clip, action_noise
        self.clip_targets = clip_targets
        self.actor = stack(1, (features, *hidden, actions), device)
        self.critic = stack(2, (features + actions, *hidden, 1), device)
        self.actor.read([fresh_layers(self.actor.sizes)])
        self.critic.read([fresh_layers(self.critic.sizes) for _ in range(2)])
        self.actor_target = stack(1, self.actor.sizes, device)
        self.target = stack(2, self.critic.sizes, device)
        self.actor_target.flat.copy_(self.actor.flat)
        self.target.flat.copy_(self.critic.flat)
        self.actor_optimizer = FlatAdam(self.actor.flat, self.actor.grad, learning_rate)
        self.critic_optimizer = FlatAdam(self.critic.flat, self.critic.grad, learning_rate)

    def _act(self, actor: MlpStack, features: Tensor) -> Tensor:
        return torch.tanh(actor.outputs(actor.forward(features))[0])

    @torch.no_grad()
    def act(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        """Actions (B, A) in [−1, 1] for features (B, F), with standard normal `noise` (B, A) or none."""
        action = self._act(self.actor, observations)
        return action if noise is None else (action + self.action_noise * noise).clamp_(-1.0, 1.0)

    @torch.no_grad()
    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One update; what is logged, as scalars: the actor's where it was updated."""
        self.updates += 1
        # a' = clip(μ'(s') + clip(ε, −c, c), −1, 1)
        noise = (self.policy_noise * batch.noise[: len(batch.rewards)]).clamp_(-self.noise_clip, self.noise_clip)
        next_actions = (self._act(self.actor_target, batch.next_observations) + noise).clamp_(-1.0, 1.0)
        next_inputs = torch.cat([batch.next_observations, next_actions], 1)
        next_q = self.target.outputs(self.target.forward(next_inputs))[:, :, 0].amin(0)
        # y = r + γ minᵢ Q'ᵢ(s', a'), with γ = 0 where the task ended
        y = batch.rewards + batch.discounts * next_q
        if self.clip_targets is not None:
            y = y.clamp(*self.clip_targets)
        inputs = torch.cat([batch.observations, batch.actions], 1)
        trace = self.critic.forward(inputs)
        q = self.critic.outputs(trace)
        error = q - y[:, None]
        # L = Σᵢ mean (Qᵢ − y)²,  dL/dQᵢ = 2 (Qᵢ − y) / B
        self.critic.backward(inputs, trace, error * (2.0 / len(y)))
        self.critic_optimizer.step()
        measured = {
            "target_mean": y.mean(), "critic_loss": error.square().mean(1).sum(), "q_mean": q.mean(),
            "critic_grad_norm": self.critic.grad.norm(),
        }  # fmt: skip
        if self.updates % self.period == 0:
            measured |= self._improve_actor(batch.observations)
            # θ' ← θ' + τ (θ − θ')
            self.target.flat.lerp_(self.critic.flat, self.tau)
            self.actor_target.flat.lerp_(self.actor.flat, self.tau)
        return measured

    def _improve_actor(self, features: Tensor) -> dict[str, Tensor]:
        trace = self.actor.forward(features)
        chosen = torch.tanh(self.actor.outputs(trace)[0])
        values = self.critic.forward(torch.cat([features, chosen], 1), ONLY_FIRST)
        q = self.critic.outputs(values)
        # L = −mean Q₁(s, μ(s)),  da/d(before tanh) = 1 − a²
        delta = torch.full_like(q, -1.0 / len(features))
        d_action = self.critic.to_inputs(values, delta, slice(self.features, None), ONLY_FIRST)[0]
        self.actor.backward(features, trace, (d_action * (1.0 - chosen.square()))[None])
        self.actor_optimizer.step()
        return {"actor_loss": -q.mean(), "actor_grad_norm": self.actor.grad.norm()}

    def set_learning_rate(self, rate: float) -> None:
        """The step size of both optimisers."""
        for optimizer in (self.actor_optimizer, self.critic_optimizer):
            optimizer.learning_rate.fill_(rate)

    def stock_weights(self) -> dict[str, Tensor]:
        """Weights under the names of stock's `TD3Policy`, of the same shapes as there."""
        named = (
            (self.actor, ("actor.mu",)), (self.actor_target, ("actor_target.mu",)),
            (self.critic, ("critic.qf0", "critic.qf1")), (self.target, ("critic_target.qf0", "critic_target.qf1")),
        )  # fmt: skip
        return {name: t for stack, members in named for name, t in stack.named(stack.flat, members).items()}

    def _networks(self) -> dict[str, tuple[MlpStack, Sequence[str]]]:
        actors = {"actor": (self.actor, ACTOR), "actor_target": (self.actor_target, ACTOR)}
        return actors | {"critic": (self.critic, CRITIC), "target": (self.target, CRITIC)}

    def state(self) -> dict[str, Any]:
        """Weights and optimiser states, under the names that `Td3` gives them."""
        return {name: stack.named(stack.flat, members) for name, (stack, members) in self._networks().items()} | {
            "encoder": {}, "updates": self.updates,
            "actor_optimizer": self.actor_optimizer.state(self.actor, ACTOR),
            "critic_optimizer": self.critic_optimizer.state(self.critic, VALUE),
        }  # fmt: skip

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Take over `state`, of this kernel or of `Td3`."""
        for name, (stack, members) in self._networks().items():
            copy_named(state[name], stack.named(stack.flat, members))
        self.actor_optimizer.load(self.actor, ACTOR, state["actor_optimizer"])
        self.critic_optimizer.load(self.critic, VALUE, state["critic_optimizer"])
        self.updates = int(state["updates"])
