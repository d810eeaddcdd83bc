"""The lab of chapter 03: its claims hold, each equation that is written wrongly is found, and it learns Reach."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from analysis.metrics import rate
from analysis.reports import DataReport, load

LAB = Path(__file__).resolve().parents[2] / "scripts/labs/sac_from_scratch.py"


@pytest.fixture
def lab() -> ModuleType:
    spec = importlib.util.spec_from_file_location("sac_from_scratch", LAB)
    module = importlib.util.module_from_spec(spec)
    # Named tuples look for the module that they are defined in.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def wrong(lab: ModuleType) -> set[str]:
    """The claims that do not hold, up to their comma or colon."""
    claims = lab.check()
    assert len(claims) == 10
    return {text for text, value, low, high in claims if not low <= float(value) <= high}


def test_every_claim_holds(lab: ModuleType, tmp_path: Path) -> None:
    assert lab.main(verify=True, json_out=str(tmp_path / "a.json")) == 0
    assert len(load(tmp_path / "a.json", DataReport).data["claims"]) == 10


def test_a_density_without_the_correction_for_tanh_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exercise 4 of the page: what a forgotten change of variables looks like."""

    def uncorrected(mean: Any, log_std: Any, noise: Any) -> tuple[Any, Any]:
        log_normal = -0.5 * noise**2 - log_std - 0.5 * math.log(2 * math.pi)
        return torch.tanh(mean + log_std.exp() * noise), log_normal.sum(-1)

    monkeypatch.setattr(lab, "squash", uncorrected)
    found = wrong(lab)
    assert {text.split(":")[0] for text in found} == {"actor", "update"} and len(found) == 3


def test_a_wrong_sign_of_the_entropy_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    right = lab.actor_loss
    monkeypatch.setattr(lab, "actor_loss", lambda critics, alpha, *rest: right(critics, -alpha, *rest))
    assert {text.split(":")[0] for text in wrong(lab)} == {"update"}


def test_a_target_of_the_larger_critic_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    right = lab.critic_loss

    def optimistic(critics: Any, targets: Any, *rest: Any) -> Any:
        return right(critics, lambda phi, actions: targets(phi, actions).amax(0, keepdim=True), *rest)

    monkeypatch.setattr(lab, "critic_loss", optimistic)
    assert {text.split(":")[0] for text in wrong(lab)} == {"update"}


def test_a_hard_maximum_is_not_the_soft_value(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "soft_value", lambda q, alpha: q.amax(1))
    assert {text.split(":")[0] for text in wrong(lab)} == {"soft Bellman"}


def test_the_temperature_moves_towards_the_target_entropy(lab: ModuleType) -> None:
    """Entropy above −4 nats lowers α, entropy below it raises α; Adam moves log α by one learning rate an update."""
    for entropy, direction in ((-3.0, -1), (-5.0, 1)):
        log_alpha = torch.zeros((), requires_grad=True)
        adam = torch.optim.Adam([log_alpha], lab.RATE)
        for _ in range(100):
            lab.descend(adam, lab.temperature_loss(log_alpha, torch.full((8,), -entropy)))
        assert log_alpha.item() == pytest.approx(direction * 100 * lab.RATE, rel=1e-3)


def test_the_ring_buffer_keeps_the_newest(lab: ModuleType) -> None:
    replay = lab.Replay(3)
    for i in range(5):
        replay.add(np.full(lab.PHI, i), np.full(lab.A, i), i, np.full(lab.PHI, i + 1))
    batch = replay.sample(np.random.default_rng(0))
    assert set(batch.rewards.tolist()) == {2, 3, 4}
    assert batch.actions.shape == (lab.BATCH, 4) and torch.equal(batch.next_phi[:, 0], batch.rewards + 1)


def test_reach_is_learned(lab: ModuleType) -> None:
    torch.set_num_threads(1)
    (row,) = lab.learn(0, 900, every=900)
    assert row["success"]["n"] == 50 and row["success"]["successes"] >= 40
    assert 0.003 < row["alpha"] < 0.005


def test_the_demo_tells_three_seeds_and_fails_where_they_fail(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reached = {0: 50, 1: 50, 2: 50}

    def learn(seed: int, steps: int, every: int) -> list[dict[str, Any]]:
        solved = reached[seed]
        return [{"steps": steps, "success": rate([True] * solved + [False] * (50 - solved)).model_dump()}]

    monkeypatch.setattr(lab, "learn", learn)
    assert lab.main(demo=True, json_out=str(tmp_path / "b.json")) == 0
    report = load(tmp_path / "b.json", DataReport)
    assert report.seeds == [0, 1, 2] and len(report.data["curves"]) == 3 and "claims" not in report.data
    reached[1] = 20
    assert lab.main(demo=True) == 1
    assert "120 of 150 = 80.0%" in capsys.readouterr().out
