"""The lab of chapter 08: its claims hold, false ones are found, and its update is that of the product."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from agents.input_map import InputMap
from agents.kernels.sac import SacKernel
from agents.learner import Batch
from analysis.reports import DataReport, load

LAB = Path(__file__).resolve().parents[2] / "scripts/labs/fast_loop.py"


@pytest.fixture
def lab() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fast_loop", LAB)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def quick(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The lab without its clocks."""
    monkeypatch.setattr(lab, "race", lambda *contestants: [1.0 for _ in contestants])
    return lab


def wrong(lab: ModuleType) -> set[str]:
    """First words of the claims that do not hold."""
    found = [(text, low <= value <= high) for text, value, low, high in lab.check({})]
    assert len(found) == 6
    return {" ".join(text.split()[:2]) for text, holds in found if not holds}


def test_clocks_give_seconds(lab: ModuleType) -> None:
    calls = []
    assert all(0 < seconds < 60 for seconds in lab.race(lambda: calls.append("a"), lambda: calls.append("b")))
    assert calls == ["a", "b"] * 5


def test_every_claim_holds_and_is_reported(quick: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whether Reach is learned is a claim of `--verify` itself: the page's command, which test_pages.py runs."""
    asked, solved = [], quick.metrics.rate([True] * 45 + [False] * 5).model_dump()
    curve = [{"steps": 1200, "seconds": 1.0, "success": solved}]
    monkeypatch.setattr(quick, "learn", lambda *how: asked.append(how) or curve)
    assert quick.main(json_out=str(tmp_path / "a.json")) == 0 and asked == [(0, 1200, 1200)]
    report = load(tmp_path / "a.json", DataReport)
    data = report.data
    assert report.wall_clock_s > 0
    assert len(data["values"]) == 7 and len(data["gains_s"]) == 3
    assert data["last"]["n"] == 50 and data["last"]["successes"] == 45
    assert sum(data["flops"].values()) == 580_255_744
    assert data["curves"] == [curve]


def test_a_wrong_future_is_found(quick: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exercise 1 of the page: goals from the whole episode instead of its future."""

    class Whole:
        def __init__(self, rng: np.random.Generator):
            self.rng = rng

        def integers(self, low: Any, high: Any, *size: int) -> np.ndarray:
            return self.rng.integers(np.zeros_like(low), high, *size)

    sample = quick.Replay.sample
    monkeypatch.setattr(quick.Replay, "sample", lambda self, n, rng: sample(self, n, Whole(rng)))
    assert wrong(quick) == {"χ² of"}


def test_operations_are_counted_right_for_other_sizes(quick: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exercise 2 of the page."""
    before = sum(quick.update_flops().values())
    monkeypatch.setattr(quick, "HIDDEN", 512)
    assert 3.5 < sum(quick.update_flops().values()) / before < 4
    monkeypatch.setattr(quick, "BATCH", 64)
    assert wrong(quick) == set()


def test_a_gradient_written_out_is_that_of_autograd(lab: ModuleType) -> None:
    """Exercise 3 of the page."""
    torch.manual_seed(0)
    critic, inputs, y = lab.Stacked(2, 23, 256, 256, 1), torch.randn(256, 23), -torch.rand(256, 1)
    w1, b1, w2, b2, w3, b3 = critic.layers
    with torch.no_grad():
        h1 = torch.baddbmm(b1, inputs.expand(2, 256, 23), w1).relu()
        h2 = torch.baddbmm(b2, h1, w2).relu()
        delta3 = (torch.baddbmm(b3, h2, w3) - y) / 256
        delta2 = delta3 @ w3.mT * (h2 > 0)
        delta1 = delta2 @ w2.mT * (h1 > 0)
        deltas, below = (delta1, delta2, delta3), (inputs.expand(2, 256, 23), h1, h2)
        ours = [part for h, d in zip(below, deltas, strict=True) for part in (h.mT @ d, d.sum(1, keepdim=True))]
    loss = 0.5 * (critic(inputs) - y).square().mean(1).sum()
    for mine, theirs in zip(ours, torch.autograd.grad(loss, list(critic.parameters())), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-7)


def test_a_wrong_fold_is_found(quick: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    fold = quick.fold
    monkeypatch.setattr(quick, "fold", lambda w, b, matrix, offset: fold(w, b, matrix, 0 * offset))
    assert wrong(quick) == {"largest change"}


def test_a_wrong_reward_is_found(quick: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quick, "THRESHOLD", 0.04)
    assert wrong(quick) == {"rewards of"}


def test_a_wrong_claim_decides_the_exit_status_and_the_demo_trains_six_times(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = []

    def learn(seed: int, steps: int, every: int, mapped: bool = True) -> list[dict[str, Any]]:
        asked.append((seed, steps, every, mapped))
        return [{"steps": steps, "seconds": 1.0, "success": lab.metrics.rate([True] * 44 + [False] * 6).model_dump()}]

    monkeypatch.setattr(lab, "learn", learn)
    monkeypatch.setattr(lab, "check", lambda gains: [("so it is", 1.0, 1, 1)])
    assert lab.main(demo=True, json_out=str(tmp_path / "b.json")) == 1
    assert asked == [(seed, 1200, 200, mapped) for mapped in (True, False) for seed in range(3)]
    printed = capsys.readouterr().out
    assert "ok    so it is" in printed and "WRONG success rate after" in printed and "132 of 150 = 88.0%" in printed
    report = load(tmp_path / "b.json", DataReport)
    assert report.seeds == [0, 1, 2] and len(report.data["curves"]) == 6


def test_judging_changes_no_training(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    made, sac = [], lab.Sac
    monkeypatch.setattr(lab, "Sac", lambda *a, **k: made.append(sac(*a, **k)) or made[-1])
    monkeypatch.setattr(lab, "WARM_UP", 200)
    monkeypatch.setattr(lab, "UPDATES", 0.02)
    often, once = lab.learn(0, 400, every=200), lab.learn(0, 400, every=400)
    assert len(often) == 2 and often[1]["success"] == once[0]["success"]
    for one, other in zip(made[0].actor.parameters(), made[1].actor.parameters(), strict=True):
        assert torch.equal(one, other)


def test_gradients_are_those_of_the_product(lab: ModuleType) -> None:
    torch.manual_seed(0)
    ours = lab.Sac(lab.Stacked, lean=True)
    product = SacKernel(19, 4, [256, 256], lab.RATE, lab.TAU, lab.ALPHA, clip_targets=(-20.0, 0.0))
    nets = [(product.actor, ours.actor), (product.critic, ours.critic), (product.target, ours.target)]
    with torch.no_grad():
        for layer in ours.target.parameters():
            layer.add_(0.05 * torch.randn_like(layer))
        for theirs, mine in nets:
            for view, layer in zip(
                theirs.weights + theirs.biases, [*mine.layers[::2], *mine.layers[1::2]], strict=True
            ):
                view.copy_(layer)
    phi, next_phi, noise = torch.randn(64, 19), torch.randn(64, 19), torch.randn(2, 64, 4)
    actions, rewards = torch.tanh(torch.randn(64, 4)), -(torch.rand(64) < 0.8).float()
    ours(phi, next_phi, actions, rewards, noise)
    discounts = torch.full((64,), lab.GAMMA)
    product.update(Batch(phi, next_phi, actions, rewards, discounts, noise.reshape(128, 4)))
    for theirs, mine in nets[:2]:
        for i in range(3):
            for slope, layer in (
                (theirs.grad_weights[i], mine.layers[2 * i]),
                (theirs.grad_biases[i], mine.layers[2 * i + 1]),
            ):
                torch.testing.assert_close(slope, layer.grad, rtol=2e-3, atol=1e-6)
    for i in range(3):
        torch.testing.assert_close(product.target.weights[i], ours.target.layers[2 * i].detach(), rtol=1e-4, atol=1e-6)


def test_the_input_map_is_that_of_the_product(lab: ModuleType) -> None:
    x = np.random.default_rng(0).normal(2.0, 0.3, (500, 16)).astype(np.float32)
    x[:, 9] = 0.25  # never moves
    product = InputMap(16, 3)
    product.observe(x)
    product.refresh()
    matrix, offset = lab.input_map(x)
    torch.testing.assert_close(matrix, product.matrix, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(offset, product.offset, rtol=1e-4, atol=1e-6)


def test_the_lab_is_from_scratch() -> None:
    assert "agents" not in LAB.read_text(encoding="utf-8")
