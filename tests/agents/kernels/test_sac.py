"""The written-out gradients equal automatic differentiation of the stock classes."""

from __future__ import annotations

import math

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.sac.policies import SACPolicy
from torch.nn import functional

from agents.kernels.sac import SacKernel
from agents.learner import Batch

F, A, B, GAMMA, ALPHA = 7, 3, 64, 0.9, 0.2


def stock_policy(kernel: SacKernel) -> SACPolicy:
    """Stock networks with the weights of `kernel`."""
    space, actions = gym.spaces.Box(-9, 9, (F,), np.float32), gym.spaces.Box(-1, 1, (A,), np.float32)
    policy = SACPolicy(space, actions, lambda _: 1e-3, net_arch=[32, 16])
    linear = [m for m in policy.actor.latent_pi if isinstance(m, torch.nn.Linear)]
    with torch.no_grad():
        for layer, module in enumerate(linear):
            module.weight.copy_(kernel.actor.weights[layer][0].T)
            module.bias.copy_(kernel.actor.biases[layer][0, 0])
        for head, columns in ((policy.actor.mu, slice(0, A)), (policy.actor.log_std, slice(A, 2 * A))):
            head.weight.copy_(kernel.actor.weights[2][0][:, columns].T)
            head.bias.copy_(kernel.actor.biases[2][0, 0, columns])
        for stack, network in ((kernel.critic, policy.critic), (kernel.target, policy.critic_target)):
            for k, sequence in enumerate(network.q_networks):
                for layer, module in enumerate(m for m in sequence if isinstance(m, torch.nn.Linear)):
                    module.weight.copy_(stack.weights[layer][k].T)
                    module.bias.copy_(stack.biases[layer][k, 0])
    return policy


def sample(policy: SACPolicy, states: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Stock's action and its log-probability with given noise."""
    mean, log_std, _ = policy.actor.get_action_dist_params(states)
    gaussian = mean + log_std.exp() * noise
    actions = torch.tanh(gaussian)
    dist = policy.actor.action_dist.proba_distribution(mean, log_std)
    return actions, dist.log_prob(actions, gaussian)


@pytest.fixture
def case() -> tuple[SacKernel, tuple[torch.Tensor, ...]]:
    torch.manual_seed(0)
    kernel = SacKernel(F, A, [32, 16], 1e-3, 0.05, ALPHA)
    kernel.target.flat.add_(0.05 * torch.randn_like(kernel.target.flat))
    # Larger heads, so that log σ is cut on both sides in some rows and tanh saturates in some.
    kernel.actor.weights[2].mul_(25.0)
    batch = (torch.randn(B, F), torch.randn(B, F), torch.tanh(torch.randn(B, A)), -torch.rand(B),
             GAMMA * (torch.rand(B) > 0.2).float(), torch.randn(2 * B, A))  # fmt: skip
    return kernel, batch


def stacked(modules: list[torch.nn.Linear]) -> torch.Tensor:
    """Gradients of linear layers, one after another."""
    return torch.cat([part.reshape(-1) for m in modules for part in (m.weight.grad.T, m.bias.grad)])


def test_gradients_equal_stock(case: tuple[SacKernel, tuple[torch.Tensor, ...]]) -> None:
    kernel, (phi, next_phi, actions, rewards, discounts, noise) = case
    policy = stock_policy(kernel)
    before = kernel.critic.flat.clone()
    # The order of `SAC.train`: actions of the actor, targets, critics, and then the actor on the new critics.
    sampled, log_prob = sample(policy, phi, noise[:B])
    with torch.no_grad():
        next_actions, next_log_prob = sample(policy, next_phi, noise[B:])
        next_q = torch.cat(policy.critic_target(next_phi, next_actions), 1).min(1, keepdim=True).values
        y = rewards[:, None] + discounts[:, None] * (next_q - ALPHA * next_log_prob[:, None])
    critic_loss = 0.5 * sum(functional.mse_loss(q, y) for q in policy.critic(phi, actions))
    policy.critic.zero_grad()
    critic_loss.backward()
    losses = kernel.update(Batch(phi, next_phi, actions, rewards, discounts, noise))
    assert losses["critic_loss"].item() == pytest.approx(critic_loss.item(), rel=1e-5)
    for k, sequence in enumerate(policy.critic.q_networks):
        expected = stacked([m for m in sequence if isinstance(m, torch.nn.Linear)])
        ours = torch.cat(
            [p[k].reshape(-1) for pair in zip(kernel.critic.grad_weights, kernel.critic.grad_biases, strict=True)
             for p in pair]
        )  # fmt: skip
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-7)
    policy.critic.optimizer.step()
    moved = kernel.critic.flat - before
    assert moved.abs().max() > 1e-4
    q = torch.cat(policy.critic(phi, sampled), 1).min(1).values
    actor_loss = (ALPHA * log_prob - q).mean()
    policy.actor.zero_grad()
    actor_loss.backward()
    assert losses["actor_loss"].item() == pytest.approx(actor_loss.item(), rel=1e-4)
    hidden = [m for m in policy.actor.latent_pi if isinstance(m, torch.nn.Linear)]
    expected = stacked(hidden)
    ours = torch.cat([p.reshape(-1) for layer in (0, 1)
                      for p in (kernel.actor.grad_weights[layer], kernel.actor.grad_biases[layer])])  # fmt: skip
    torch.testing.assert_close(ours, expected, rtol=5e-3, atol=1e-5)
    heads = torch.cat([policy.actor.mu.weight.grad.T, policy.actor.log_std.weight.grad.T], 1)
    torch.testing.assert_close(kernel.actor.grad_weights[2][0], heads, rtol=5e-3, atol=1e-5)


def test_twenty_updates_stay_with_stock(case: tuple[SacKernel, tuple[torch.Tensor, ...]]) -> None:
    """Adam and the target update are stock's too: the parameters stay together over many updates."""
    kernel, _ = case
    kernel.actor.weights[2].div_(25.0)
    policy = stock_policy(kernel)
    torch.manual_seed(1)
    for _ in range(20):
        phi, next_phi, actions = torch.randn(B, F), torch.randn(B, F), torch.tanh(torch.randn(B, A))
        rewards, discounts, noise = -torch.rand(B), torch.full((B,), GAMMA), torch.randn(2 * B, A)
        kernel.update(Batch(phi, next_phi, actions, rewards, discounts, noise))
        sampled, log_prob = sample(policy, phi, noise[:B])
        with torch.no_grad():
            next_actions, next_log_prob = sample(policy, next_phi, noise[B:])
            next_q = torch.cat(policy.critic_target(next_phi, next_actions), 1).min(1, keepdim=True).values
            y = rewards[:, None] + GAMMA * (next_q - ALPHA * next_log_prob[:, None])
        policy.critic.optimizer.zero_grad()
        (0.5 * sum(functional.mse_loss(q, y) for q in policy.critic(phi, actions))).backward()
        policy.critic.optimizer.step()
        policy.actor.optimizer.zero_grad()
        q = torch.cat(policy.critic(phi, sampled), 1).min(1).values
        (ALPHA * log_prob - q).mean().backward()
        policy.actor.optimizer.step()
        with torch.no_grad():
            for ours, theirs in zip(policy.critic.parameters(), policy.critic_target.parameters(), strict=True):
                theirs.lerp_(ours, 0.05)
    mean = policy.actor.mu(policy.actor.latent_pi(phi))
    torch.testing.assert_close(kernel.act(phi, None), torch.tanh(mean), rtol=1e-3, atol=1e-4)
    for k, q in enumerate(policy.critic_target(phi, actions)):
        torch.testing.assert_close(kernel.target.forward(torch.cat([phi, actions], 1))[-1][k], q, rtol=1e-3, atol=1e-4)


def test_the_entropy_coefficient_is_tuned_as_stock_does() -> None:
    torch.manual_seed(0)
    kernel = SacKernel(F, A, [16], 1e-2, 0.05, None)
    batch = (torch.randn(B, F), torch.randn(B, F), torch.zeros(B, A), torch.zeros(B), torch.full((B,), GAMMA))
    noise = torch.randn(2 * B, A)
    hidden = kernel.actor.forward(batch[0])[-1][0]
    mean, log_std = hidden.split(A, 1)
    gaussian = mean + log_std.exp() * noise[:B]
    log_prob = (-0.5 * noise[:B] ** 2 - log_std - 0.5 * math.log(2 * math.pi)).sum(1)
    log_prob -= torch.log(1 - torch.tanh(gaussian) ** 2 + 1e-6).sum(1)
    log_alpha = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.Adam([log_alpha], lr=1e-2)
    (-(log_alpha * (log_prob - A).detach()).mean()).backward()
    optimizer.step()
    kernel.update(Batch(*batch, noise))
    torch.testing.assert_close(kernel.log_ent_coef, log_alpha.detach())


def test_targets_are_clipped() -> None:
    torch.manual_seed(0)
    kernel = SacKernel(F, A, [16], 0.0, 0.0, 0.0, (-10.0, 0.0))
    kernel.target.biases[-1].fill_(100.0)
    kernel.critic.weights[-1].zero_()
    kernel.critic.biases[-1].zero_()
    batch = (torch.randn(B, F), torch.randn(B, F), torch.zeros(B, A), -torch.ones(B), torch.full((B,), GAMMA))
    # y is cut to 0, where the critics already are
    assert kernel.update(Batch(*batch, torch.randn(2 * B, A)))["critic_loss"].item() == 0.0
    kernel.target.biases[-1].fill_(-100.0)
    assert kernel.update(Batch(*batch, torch.randn(2 * B, A)))["critic_loss"].item() == pytest.approx(100.0)
