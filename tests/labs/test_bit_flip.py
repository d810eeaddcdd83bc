"""The lab of chapter 04 that flips bits: its claims hold, and find what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from analysis.reports import DataReport, load


@pytest.fixture
def lab(load_lab: Callable[[str], ModuleType]) -> ModuleType:
    return load_lab("bit_flip")


def memory(lab: ModuleType, n: int = 12) -> dict[str, np.ndarray]:
    """Episodes of random flips."""
    q = torch.nn.Linear(2 * n, n)
    return lab.play(q, n, 300, 1.0, np.random.default_rng(0))


def test_learns_six_bits_with_hindsight_in_a_tenth_of_the_rounds(lab: ModuleType) -> None:
    assert lab.learn(6, True, 0, rounds=12).successes >= 180


def test_an_episode_begins_unsolved_and_ends_at_its_goal(lab: ModuleType) -> None:
    episodes = memory(lab, n=3)
    assert (episodes["states"][:, 0] != episodes["goals"]).any(1).all() and episodes["lengths"].min() >= 1
    for states, goal, length in zip(episodes["states"], episodes["goals"], episodes["lengths"], strict=True):
        assert (states[length:] == states[length]).all()
        assert length == 3 or (states[length] == goal).all()


def test_hindsight_draws_later_states_of_the_same_episode(lab: ModuleType) -> None:
    episodes = memory(lab)
    state, action, after, goals, rewards = lab.batch(episodes, True, np.random.default_rng(1))
    assert (np.abs(state - after).sum(1) == 1).all()
    assert (np.abs(state - after)[np.arange(len(action)), action] == 1).all()
    assert ((rewards == 0) == (after == goals).all(1)).all()
    assert 0.1 < (rewards == 0).mean() < 0.6 and lab.visited(episodes, goals) > 0.75
    *_, kept, before = lab.batch(episodes, False, np.random.default_rng(1))
    assert {g.tobytes() for g in kept} <= {g.tobytes() for g in episodes["goals"]} and (before == 0).mean() < 0.02


def test_claims_decide_the_exit_status(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def learn(n: int, her: bool, seed: int) -> Any:
        asked.append((n, her, seed))
        return lab.rate([her] * 10)

    monkeypatch.setattr(lab, "learn", learn)
    assert lab.main(verify=True) == 0 and asked == [(12, False, 0), (12, True, 0)]
    monkeypatch.setattr(lab, "RELABELLED", 0.0)
    assert lab.main(verify=True) == 1 and "WRONG the same with hindsight" in capsys.readouterr().out
    asked.clear()
    assert lab.main(demo=True, json_out=str(tmp_path / "a.json")) == 0
    assert asked == [(n, her, seed) for n in lab.SIZES for her in (False, True) for seed in lab.SEEDS]
    assert len(load(tmp_path / "a.json", DataReport).data["rows"]) == 36
