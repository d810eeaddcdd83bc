"""The written-out update of TD3 moves every parameter as the stock class does."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import TD3
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.type_aliases import ReplayBufferSamples

from agents.kernels.mlp import MlpStack
from agents.kernels.td3 import Td3Kernel
from agents.learner import Batch

F, A, B, HIDDEN = 7, 3, 64, [32, 16]


class Spaces(gym.Env):
    """Only spaces: the batches come from the test."""

    observation_space = gym.spaces.Box(-9, 9, (F,), np.float32)
    action_space = gym.spaces.Box(-1, 1, (A,), np.float32)


class Given:
    """A replay buffer that answers with one batch."""

    def sample(self, batch_size: int, env: Any = None) -> ReplayBufferSamples:
        return self.batch


def linears(network: torch.nn.Module) -> list[torch.nn.Linear]:
    return [m for m in network if isinstance(m, torch.nn.Linear)]


@pytest.fixture
def pair() -> tuple[Td3Kernel, TD3]:
    stock = TD3("MlpPolicy", Spaces(), learning_rate=1e-3, buffer_size=1, gamma=0.9, tau=0.05, batch_size=B,
                policy_kwargs={"net_arch": HIDDEN}, device="cpu", seed=0)  # fmt: skip
    stock.set_logger(Logger(None, []))
    stock.replay_buffer = Given()
    ours = Td3Kernel(F, A, HIDDEN, 1e-3, 0.05)
    ours.actor.read([linears(stock.actor.mu)])
    ours.critic.read([linears(q) for q in stock.critic.q_networks])
    ours.actor_target.flat.copy_(ours.actor.flat)
    ours.target.flat.copy_(ours.critic.flat)
    return ours, stock


def expected(stack: MlpStack, networks: list[torch.nn.Module]) -> torch.Tensor:
    other = MlpStack(stack.k, stack.sizes)
    other.read([linears(network) for network in networks])
    return other.flat


def test_every_parameter_stays_with_stock(pair: tuple[Td3Kernel, TD3]) -> None:
    ours, stock = pair
    generator, started = torch.Generator().manual_seed(1), ours.actor.flat.clone()
    for step in range(20):
        phi, next_phi = (torch.randn(B, F, generator=generator) for _ in range(2))
        actions = torch.tanh(torch.randn(B, A, generator=generator))
        rewards, terminated = -torch.rand(B, generator=generator), (torch.rand(B, generator=generator) < 0.1).float()
        stock.replay_buffer.batch = ReplayBufferSamples(phi, actions, next_phi, terminated[:, None], rewards[:, None])
        # The noise that stock is about to draw.
        torch.manual_seed(step)
        noise = torch.empty(B, A).normal_(0, stock.target_policy_noise) / stock.target_policy_noise
        torch.manual_seed(step)
        stock.train(gradient_steps=1, batch_size=B)
        losses = ours.update(Batch(phi, next_phi, actions, rewards, 0.9 * (1 - terminated), noise))
        assert losses["critic_loss"].item() == pytest.approx(stock.logger.name_to_value["train/critic_loss"], rel=1e-3)
        assert ("actor_loss" in losses) == (step % 2 == 1), "the actor follows at every second update"
    for stack, networks in (
        (ours.actor, [stock.actor.mu]), (ours.actor_target, [stock.actor_target.mu]),
        (ours.critic, list(stock.critic.q_networks)), (ours.target, list(stock.critic_target.q_networks)),
    ):  # fmt: skip
        torch.testing.assert_close(stack.flat, expected(stack, networks), rtol=1e-3, atol=2e-5)
    assert (ours.actor.flat - started).abs().max() > 5e-3


def test_continues_from_its_state(pair: tuple[Td3Kernel, TD3]) -> None:
    ours, _ = pair

    def batch(seed: int) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        shapes = ((B, F), (B, F), (B, A), (B,))
        parts = [torch.randn(*s, generator=generator) for s in shapes]
        return Batch(*parts, torch.zeros(B), torch.randn(B, A))

    ours.update(batch(0))
    other = Td3Kernel(F, A, HIDDEN, 1e-3, 0.05)
    other.load(ours.state())
    # The next update is the one at which the actor follows, for both.
    last = batch(1)
    assert "actor_loss" in ours.update(last) and "actor_loss" in other.update(last)
    assert torch.equal(ours.actor_target.flat, other.actor_target.flat)


def test_exploring_actions_have_noise_and_stay_inside(pair: tuple[Td3Kernel, TD3]) -> None:
    ours, _ = pair
    phi = torch.zeros(4000, F)
    plain, noisy = ours.act(phi, None), ours.act(phi, torch.randn(4000, A))
    assert (noisy - plain).std().item() == pytest.approx(0.1, rel=0.05)
    assert ours.act(phi, torch.full((4000, A), 50.0)).max() == 1.0
