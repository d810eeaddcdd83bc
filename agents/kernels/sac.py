"""The update of `agents/sac.py` with its gradients written out, for perceptrons.

Equations 5 to 9 and 18 of Haarnoja et al. 2018 (arXiv:1812.05905) and their derivatives. Tests compare
every gradient with automatic differentiation of Stable-Baselines3's classes (tests/agents/kernels/test_sac.py), and the
weights after several updates with the readable learner's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from agents.kernels.mlp import FlatAdam, MlpStack, Trace, copy_named, fresh_layers
from agents.learner import Batch
from agents.sac import EPSILON, LOG_STD_MAX, LOG_STD_MIN

HALF_LOG_TWO_PI = 0.5 * math.log(2.0 * math.pi)
ACTOR, CRITIC = ("layers",), ("members.0", "members.1")
# As parts of what the critics' optimiser trains.
VALUE = tuple(f"critic.{name}" for name in CRITIC)


class Sampled(NamedTuple):
    """Actions of the policy and what their derivatives need; all (B, A) but `log_prob` (B,)."""

    actions: Tensor
    log_prob: Tensor
    slope: Tensor
    """da / d(μ + σ ε) = 1 − a²."""
    spread: Tensor
    """σ ε."""
    raw_log_std: Tensor
    """log σ before it is clamped."""

    def rows(self, rows: slice) -> Sampled:
        """Some of the rows."""
        return Sampled(*(part[rows] for part in self))


class SacKernel:
    """Actor, two critics and their targets on features (B, F), with their optimisers; arguments as `Sac` has them.

    `stack`: how perceptrons are computed.
    """

    # Every update does the same operations.
    period = 1

    def __init__(
        self, features: int, actions: int, hidden: Sequence[int], learning_rate: float, tau: float,
        ent_coef: float | None, clip_targets: tuple[float, float] | None = None, device: str = "cpu",
        stack: type[MlpStack] = MlpStack,
    ):  # fmt: skip
        self.features, self.actions, self.tau = features, actions, tau
        self.clip_targets, self.updates = clip_targets, 0
        self.actor = stack(1, (features, *hidden, 2 * actions), device)
        self.critic = stack(2, (features + actions, *hidden, 1), device)
        self.target = stack(2, self.critic.sizes, device)
        self.actor.read([fresh_layers(self.actor.sizes)])
        self.critic.read([fresh_layers(self.critic.sizes) for _ in range(2)])
        self.target.flat.copy_(self.critic.flat)
        self.actor_optimizer = FlatAdam(self.actor.flat, self.actor.grad, learning_rate)
        self.critic_optimizer = FlatAdam(self.critic.flat, self.critic.grad, learning_rate)
        self.tuned = ent_coef is None
        self.log_ent_coef = torch.tensor([0.0 if ent_coef is None else math.log(max(ent_coef, 1e-30))], device=device)
        self.ent_coef_grad = torch.zeros(1, device=device)
        self.ent_coef_optimizer = FlatAdam(self.log_ent_coef, self.ent_coef_grad, learning_rate)

    @torch.no_grad()
    def act(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        """Actions (B, A) in [−1, 1] for features (B, F); the mean action where `noise` (B, A) is None."""
        mean, log_std = self.actor.outputs(self.actor.forward(observations))[0].split(self.actions, dim=1)
        if noise is None:
            return torch.tanh(mean)
        return torch.tanh(mean + log_std.clamp(LOG_STD_MIN, LOG_STD_MAX).exp() * noise)

    @torch.no_grad()
    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One update; the losses and what else is logged, as scalars."""
        n = len(batch.rewards)
        self.updates += 1
        alpha = self.log_ent_coef.exp()
        # The actor does not change until the end, so both of its passes are one.
        trace = self.actor.forward(torch.cat([batch.observations, batch.next_observations]))
        both = self._sample(self.actor.outputs(trace)[0], batch.noise)
        sample, following = both.rows(slice(n)), both.rows(slice(n, None))
        measured = {"ent_coef": alpha[0], "entropy": -sample.log_prob.mean()}
        if self.tuned:
            measured |= self._tune_entropy(sample.log_prob)
        measured |= self._improve_critics(batch, following, alpha)
        measured |= self._improve_actor(batch.observations, self.actor.first_rows(trace, n), sample, alpha)
        # θ' ← θ' + τ (θ − θ')
        self.target.flat.lerp_(self.critic.flat, self.tau)
        return measured

    def _sample(self, heads: Tensor, noise: Tensor) -> Sampled:
        mean, raw_log_std = heads.split(self.actions, dim=1)
        log_std = raw_log_std.clamp(LOG_STD_MIN, LOG_STD_MAX)
        spread = log_std.exp() * noise
        # a = tanh(μ + σ ε)
        actions = torch.tanh(mean + spread)
        slope = 1.0 - actions.square()
        # log π(a|s) = Σ −ε²/2 − log σ − log(2π)/2 − log(1 − a²)
        log_prob = (-0.5 * noise.square() - log_std - HALF_LOG_TWO_PI - torch.log(slope + EPSILON)).sum(1)
        return Sampled(actions, log_prob, slope, spread, raw_log_std)

    def _improve_critics(self, batch: Batch, following: Sampled, alpha: Tensor) -> dict[str, Tensor]:
        next_inputs = torch.cat([batch.next_observations, following.actions], 1)
        next_q = self.target.outputs(self.target.forward(next_inputs))[:, :, 0].amin(0)
        # y = r + γ (minᵢ Q'ᵢ(s', a') − α log π(a'|s')), with γ = 0 where the task ended
        y = batch.rewards + batch.discounts * (next_q - alpha * following.log_prob)
        if self.clip_targets is not None:
            y = y.clamp(*self.clip_targets)
        inputs = torch.cat([batch.observations, batch.actions], 1)
        trace = self.critic.forward(inputs)
        q = self.critic.outputs(trace)
        error = q - y[:, None]
        # L = ½ Σᵢ mean (Qᵢ − y)²,  dL/dQᵢ = (Qᵢ − y) / B
        self.critic.backward(inputs, trace, error / len(y))
        self.critic_optimizer.step()
        return {
            "target_mean": y.mean(), "critic_loss": 0.5 * error.square().mean(1).sum(), "q_mean": q.mean(),
            "critic_grad_norm": self.critic.grad.norm(),
        }  # fmt: skip

    def _improve_actor(self, features: Tensor, trace: Trace, sample: Sampled, alpha: Tensor) -> dict[str, Tensor]:
        n = len(features)
        values = self.critic.forward(torch.cat([features, sample.actions], 1))
        q, which = self.critic.outputs(values)[:, :, 0].min(0)
        # L = mean (α log π − minᵢ Qᵢ): only the smaller critic passes a gradient on
        d_action = self.critic.input_gradient(values, which, -1.0 / n, slice(self.features, None))
        # d log π / da = 2 a / (1 − a²), and da / d(μ + σ ε) = 1 − a²
        d_action += (alpha / n) * 2.0 * sample.actions / (sample.slope + EPSILON)
        d_mean = d_action * sample.slope
        # d/d log σ: through the sample by σ ε, and through −log σ by −1; none where log σ was clamped
        inside = (sample.raw_log_std >= LOG_STD_MIN) & (sample.raw_log_std <= LOG_STD_MAX)
        d_log_std = (d_mean * sample.spread - alpha / n) * inside
        self.actor.backward(features, trace, torch.cat([d_mean, d_log_std], 1)[None])
        self.actor_optimizer.step()
        loss = (alpha * sample.log_prob - q).mean()
        return {"actor_loss": loss, "actor_grad_norm": self.actor.grad.norm()}

    def _tune_entropy(self, log_prob: Tensor) -> dict[str, Tensor]:
        # L = −log α (log π + H̄) with H̄ = −A,  dL/d log α = −mean(log π + H̄)
        gap = (log_prob - self.actions).mean()
        loss = -(self.log_ent_coef * gap)[0]
        self.ent_coef_grad.copy_(-gap)
        self.ent_coef_optimizer.step()
        return {"ent_coef_loss": loss}

    def set_learning_rate(self, rate: float) -> None:
        """The step size of all optimisers."""
        for optimizer in (self.actor_optimizer, self.critic_optimizer, self.ent_coef_optimizer):
            optimizer.learning_rate.fill_(rate)

    def stock_weights(self) -> dict[str, Tensor]:
        """Weights under the names of stock's `SACPolicy`, of the same shapes as there."""
        weights = self.actor.named(self.actor.flat, ("actor.latent_pi",))
        last = f"actor.latent_pi.{2 * (len(self.actor.sizes) - 2)}"
        for key in ("weight", "bias"):
            # One last layer with two heads, which stock keeps as two layers.
            weights[f"actor.mu.{key}"], weights[f"actor.log_std.{key}"] = weights.pop(f"{last}.{key}").chunk(2)
        weights |= self.critic.named(self.critic.flat, ("critic.qf0", "critic.qf1"))
        return weights | self.target.named(self.target.flat, ("critic_target.qf0", "critic_target.qf1"))

    def _networks(self) -> dict[str, tuple[MlpStack, Sequence[str]]]:
        return {"actor": (self.actor, ACTOR), "critic": (self.critic, CRITIC), "target": (self.target, CRITIC)}

    def state(self) -> dict[str, Any]:
        """Weights and optimiser states, under the names that `Sac` gives them."""
        entropy = self.ent_coef_optimizer
        moments = {key: {"log_ent_coef": getattr(entropy, key)} for key in ("exp_avg", "exp_avg_sq")}
        return {name: stack.named(stack.flat, members) for name, (stack, members) in self._networks().items()} | {
            "encoder": {}, "log_ent_coef": self.log_ent_coef, "updates": self.updates,
            "actor_optimizer": self.actor_optimizer.state(self.actor, ACTOR),
            "critic_optimizer": self.critic_optimizer.state(self.critic, VALUE),
            "ent_coef_optimizer": moments | {"step": entropy.step_count},
        }  # fmt: skip

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Take over `state`, of this kernel or of `Sac`."""
        for name, (stack, members) in self._networks().items():
            copy_named(state[name], stack.named(stack.flat, members))
        self.actor_optimizer.load(self.actor, ACTOR, state["actor_optimizer"])
        self.critic_optimizer.load(self.critic, VALUE, state["critic_optimizer"])
        for key in ("exp_avg", "exp_avg_sq"):
            moments = {"log_ent_coef": getattr(self.ent_coef_optimizer, key)}
            copy_named(state["ent_coef_optimizer"][key], moments)
        self.ent_coef_optimizer.step_count.copy_(state["ent_coef_optimizer"]["step"])
        self.log_ent_coef.copy_(state["log_ent_coef"])
        self.updates = int(state["updates"])
