"""The lab of chapter 04 that learns: its claims hold, its losses are the product's, and judging changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from agents.input_map import InputMap
from agents.kernels.sac import SacKernel
from agents.learner import Batch
from analysis.reports import DataReport, load


@pytest.fixture
def lab(load_lab: Callable[[str], ModuleType]) -> ModuleType:
    return load_lab("her_sac_from_scratch")


def wrong(lab: ModuleType) -> set[str]:
    """First words of the claims that do not hold."""
    claims = lab.check()
    assert len(claims) == 6
    return {" ".join(text.split()[:3]) for text, value, low, high in claims if not low <= value <= high}


def test_every_claim_holds_and_what_was_learned_is_one(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whether Reach is learned is asked by the page's command, `--verify`, which test_pages.py runs."""
    for successes, status in ((lab.JUDGED, 0), (int(0.89 * lab.JUDGED), 1)):
        flags = [i < successes for i in range(lab.JUDGED)]
        curve = [{"steps": lab.STEPS, "success": lab.rate(flags).model_dump()}]
        monkeypatch.setattr(lab, "learn", lambda *how, curve=curve: curve)
        assert lab.main(json_out=str(tmp_path / "a.json")) == status
        report = load(tmp_path / "a.json", DataReport)
        assert report.data["last"]["successes"] == successes and len(report.data["claims"]) == 7


def test_a_goal_left_out_of_the_next_state_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exercise of the page: s gets the new goal and s' keeps the old one."""
    sample = lab.Replay.sample

    def half(self, rng: np.random.Generator) -> tuple[torch.Tensor, ...]:
        before, actions, rewards, after = sample(self, rng)
        after[:, 3:6] = torch.from_numpy(self.x[0, 0, 3:6])
        return before, actions, rewards, after

    monkeypatch.setattr(lab.Replay, "sample", half)
    assert "goals that differ" in wrong(lab)


def test_a_wrong_threshold_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "THRESHOLD", 0.03)
    assert wrong(lab) == {"rewards of it"}


def test_without_hindsight_nothing_is_relabelled(lab: ModuleType) -> None:
    replay = lab.Replay(False)
    replay.add(np.random.default_rng(0).normal(size=(2, 51, 16)).astype(np.float32), np.zeros((2, 50, 4), np.float32))
    before, _, _, after = replay.sample(np.random.default_rng(0))
    known = replay.x[:, :, 3:6].reshape(-1, 3)
    assert all((known == goal).all(1).any() for goal in before[:, 3:6].numpy())
    assert set(map(tuple, after[:, :3].numpy())) <= set(map(tuple, replay.x[:, :, :3].reshape(-1, 3)))


def test_features_are_those_of_the_product(lab: ModuleType) -> None:
    x = np.random.default_rng(0).normal(2.0, 0.3, (500, 16)).astype(np.float32)
    x[:, 9] = 0.25  # never moves
    product, ours = InputMap(16, 3), lab.Features()
    product.observe(x)
    product.refresh()
    ours.fit(x)
    torch.testing.assert_close(ours(torch.from_numpy(x)), product(torch.from_numpy(x)), rtol=1e-4, atol=1e-4)


def test_gradients_are_those_of_the_product(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    ours = lab.Agent()
    product = SacKernel(19, 4, [256, 256], lab.LEARNING_RATE, lab.TAU, lab.ALPHA, clip_targets=(-20.0, 0.0))
    for target in ours.targets.parameters():
        target.data.add_(0.05 * torch.randn_like(target))
    linear = [[m for m in net if isinstance(m, torch.nn.Linear)] for net in
              (ours.actor.body, *ours.critics, *ours.targets)]  # fmt: skip
    members = [(product.actor, 0), (product.critic, 0), (product.critic, 1), (product.target, 0), (product.target, 1)]
    for (stack, member), layers in zip(members, linear, strict=True):
        for i, layer in enumerate(layers):
            stack.weights[i][member].copy_(layer.weight.detach().T)
            stack.biases[i][member].copy_(layer.bias.detach()[None])
    phi, next_phi, noise = torch.randn(64, 19), torch.randn(64, 19), torch.randn(2, 64, 4)
    actions, rewards = torch.tanh(torch.randn(64, 4)), -(torch.rand(64) < 0.8).float()
    drawn = iter((noise[1], noise[0]))
    monkeypatch.setattr(torch.distributions.Normal, "rsample", lambda n, *a: n.loc + n.scale * next(drawn))
    ours.critic_loss(phi, actions, rewards, next_phi).backward()
    slopes = [[layer.weight.grad.clone() for layer in layers] for layers in linear[1:3]]
    ours.critic_adam.step()
    ours.actor_loss(phi).backward()
    slopes.append([layer.weight.grad for layer in linear[0]])
    discounts = torch.full((64,), lab.GAMMA)
    product.update(Batch(phi, next_phi, actions, rewards, discounts, noise.reshape(128, 4)))
    # The product takes half of the squared error, so its critics' slopes are half of these.
    for (stack, member, factor), layers in zip(
        ((product.critic, 0, 2), (product.critic, 1, 2), (product.actor, 0, 1)), slopes, strict=True
    ):
        for theirs, slope in zip(stack.grad_weights, layers, strict=True):
            torch.testing.assert_close(factor * theirs[member], slope.T, rtol=5e-3, atol=1e-5)


def test_judging_changes_no_training(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "UPDATES_A_STEP", 0.02)
    monkeypatch.setattr(lab, "JUDGED", 5)
    often, once = lab.learn(0, True, 600, every=200), lab.learn(0, True, 600, every=600)
    assert len(often) == 3 and often[-1] == once[0]


def test_the_lab_is_from_scratch(lab: ModuleType) -> None:
    assert "agents" not in Path(lab.__file__).read_text(encoding="utf-8")
