"""The lab of chapter 02: its claims hold, each typical bug is found by one of them, and it learns."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
import torch

from analysis.reports import DataReport, load

LAB = Path(__file__).resolve().parents[2] / "scripts/labs/ppo_from_scratch.py"


@pytest.fixture
def lab() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ppo_from_scratch", LAB)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wrong(lab: ModuleType) -> list[int]:
    """Indices of the claims beside Stable-Baselines3 that do not hold."""
    return [i for i, (_, value, low, high) in enumerate(lab.beside_stock()[0]) if not low <= value <= high]


def test_every_claim_holds_and_the_report_says_so(lab: ModuleType, tmp_path: Path) -> None:
    assert lab.main(verify=True, json_out=str(tmp_path / "a.json")) == 0
    data = load(tmp_path / "a.json", DataReport).data
    assert len(data["values"]) == 9 and data["wrong"] == 0 and data["curve"] == []


def test_forgetting_that_time_ran_out_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    collect = lab.collect
    monkeypatch.setattr(lab, "collect", lambda *arguments: collect(*arguments, gamma=0.0))
    assert 0 in wrong(lab) and 1 in wrong(lab)


def test_advantages_that_flow_into_the_next_episode_are_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(rollout, *arguments):
        return advantages(rollout._replace(end=torch.zeros_like(rollout.end)), *arguments)

    advantages = lab.advantages
    monkeypatch.setattr(lab, "advantages", endless)
    assert 0 not in wrong(lab) and 1 in wrong(lab)


def test_a_loss_without_clipping_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "surrogate", lambda ratio, advantage, clip: ratio * advantage)
    assert {2, 4} <= set(wrong(lab))
    _, *rest = lab.beside_stock()
    # Two slopes that should be zero: the ratio has left the range the way the advantage pulls it, up or down.
    assert {name: value for name, value, *_ in lab.alone(*rest)}[
        "slopes of the surrogate that are not as in the table of HOW"
    ] == 2


def test_a_wrong_claim_decides_the_exit_status(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lab, "beside_stock", lambda: ([("this", 2.0, 0.0, 1.0)],))
    monkeypatch.setattr(lab, "alone", lambda: [])
    assert lab.main() == 1
    assert "WRONG this" in capsys.readouterr().out


def test_it_learns_reach(lab: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(1)
    rows = lab.train(seed=0, steps=12_000)
    assert [row["steps"] for row in rows] == [4800, 9600, 12_000]
    # Chance solves 3 of these 100: they begin inside the threshold.
    assert rows[-1]["success"]["n"] == 100 and rows[-1]["success"]["successes"] >= 80
    assert "12,000 steps" in capsys.readouterr().out


def test_regions_are_short(lab: ModuleType) -> None:
    lines = LAB.read_text(encoding="utf-8").splitlines()
    starts = [i for i, line in enumerate(lines) if "# --8<-- [start:" in line]
    ends = [i for i, line in enumerate(lines) if "# --8<-- [end:" in line]
    assert len(starts) == len(ends) >= 6
    assert max(end - start - 1 for start, end in zip(starts, ends, strict=True)) <= 26
