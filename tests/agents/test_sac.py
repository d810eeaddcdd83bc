"""The readable learners where they are more than the kernels: encoders, and what the loss of each part trains."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from agents.learner import Batch, target_bounds
from agents.sac import Actor, Sac
from agents.td3 import Td3

F, A, B, GAMMA = 8, 2, 32, 0.9


def encoder() -> nn.Module:
    """12×12 pixels to features."""
    return nn.Sequential(nn.Conv2d(3, 4, 3, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(100, F), nn.LayerNorm(F))


def batch(images: bool = True) -> Batch:
    shape = (B, 3, 12, 12) if images else (B, F)
    return Batch(torch.randn(shape), torch.randn(shape), torch.tanh(torch.randn(B, A)), -torch.rand(B),
                 torch.full((B,), GAMMA), torch.randn(2 * B, A))  # fmt: skip


@pytest.mark.parametrize("cls", [Sac, Td3])
def test_the_critics_train_the_encoder_and_the_actor_does_not(cls: type) -> None:
    torch.manual_seed(0)
    options = {"ent_coef": 0.1} if cls is Sac else {"policy_delay": 1}
    learner = cls(F, A, (16,), 1e-3, 0.05, encoder=encoder(), **options)
    before = copy.deepcopy(learner.encoder.state_dict())
    learner.update(batch())
    changed = [name for name, value in learner.encoder.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == list(before), "every layer of the encoder learns"
    assert learner.act(torch.randn(5, 3, 12, 12), None).shape == (5, A)
    # The actor's own loss reaches the actor alone.
    for parameter in learner.value.parameters():
        parameter.grad = None
    features = learner.encoder(batch().observations)
    if cls is Sac:
        learner.improve_actor(features.detach(), learner.actor.sample(features.detach(), torch.randn(B, A)),
                              torch.tensor(0.1))  # fmt: skip
    else:
        learner.improve_actor(features.detach())
    assert all(parameter.grad is None for parameter in learner.value.parameters())


def test_an_encoder_learns_what_the_critics_need() -> None:
    """Rewards that only a pixel tells: the critics' loss falls because the encoder learns to see it."""
    torch.manual_seed(0)
    learner = Sac(F, A, (32,), 3e-3, 0.05, ent_coef=0.0, encoder=encoder())
    losses = []
    for _ in range(150):
        seen = batch()._replace(discounts=torch.zeros(B))
        losses.append(learner.update(seen._replace(rewards=seen.observations[:, 0, 4, 4]))["critic_loss"].item())
    assert sum(losses[-20:]) < 0.3 * sum(losses[:20])


def test_the_encoder_is_published_and_continued() -> None:
    torch.manual_seed(0)
    learner, other = (Sac(F, A, (16,), 1e-3, 0.05, ent_coef=None, encoder=encoder()) for _ in range(2))
    learner.update(batch())
    names = learner.stock_weights().keys()
    assert {"actor.features_extractor.0.weight", "critic_target.features_extractor.3.bias"} <= names
    other.load(learner.state())
    last = batch()
    learner.update(last)
    other.update(last)
    theirs = learner.stock_weights()
    assert all(torch.equal(value, theirs[name]) for name, value in other.stock_weights().items())


def test_the_density_of_the_squashed_policy_adds_up_to_one() -> None:
    """∫ π(a|s) da = 1 over all actions, here (−1, 1), for each of some states."""
    torch.manual_seed(0)
    actor = Actor(F, 1, (16,))
    features = torch.randn(4, F)
    mean, log_std = actor(features)
    # Cells of (−1, 1) and the noise that leads to their middles.
    cells = torch.linspace(-1, 1, 20_001)
    middles = ((cells[1:] + cells[:-1]) / 2).repeat(4, 1)
    noise = (torch.atanh(middles.double()) - mean.double()) / log_std.double().exp()
    rows = features.repeat_interleave(20_000, 0)
    density = actor.sample(rows, noise.float().reshape(-1, 1)).log_prob.exp().reshape(4, -1)
    torch.testing.assert_close(density.sum(1) * 1e-4, torch.ones(4), rtol=0, atol=1e-2)


def test_bounds_of_the_targets() -> None:
    assert target_bounds(True, 0.95) == pytest.approx((-20.0, 0.0))
    assert target_bounds(False, 0.95) is None
