"""The lab of chapter 05: its claims hold, and find what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from analysis.reports import DataReport, load
from common.errors import UserError

CLAIMS = 14


@pytest.fixture
def lab(load_lab: Callable[[str], ModuleType]) -> ModuleType:
    return load_lab("curriculum")


def test_every_claim_holds(lab: ModuleType, tmp_path: Path) -> None:
    assert lab.main(verify=True, json_out=str(tmp_path / "a.json")) == 0
    data = load(tmp_path / "a.json", DataReport).data
    assert len(data["claims"]) == CLAIMS and all(line.startswith("ok ") for line in data["printed"])


def test_an_object_right_under_the_gripper_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another order of draws, or one draw too few, and every goal differs."""
    draw = lab.draw_task
    monkeypatch.setattr(lab, "draw_task", lambda box, grip, table, rng: draw(box, grip, table, (rng.uniform(), rng)[1]))
    assert lab.real_tasks(lab.Box(), seeds=3) > 0.01


def test_a_ladder_that_keeps_its_easy_episodes_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Keeps(lab.Ladder):
        def episode(self, success: bool) -> None:
            before = [*self.recent, success][-self.window :]
            super().episode(success)
            self.recent = before

    assert lab.ladder_differs(np.random.default_rng(0)) == 0
    monkeypatch.setattr(lab, "Ladder", Keeps)
    assert lab.ladder_differs(np.random.default_rng(0)) > 0


def test_a_failure_rule_without_the_gripper_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = lab.kind_of_failure
    assert lab.failures_that_differ(5) == 0
    monkeypatch.setattr(lab, "kind_of_failure", lambda places, grips, goal: rule(places[::-1], grips, goal))
    assert lab.failures_that_differ(5) > 0


def test_held_actions_close_longer_and_the_demo_counts(lab: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.stays_closed(10, 1.0) == pytest.approx(2.0**-9) and lab.stays_closed(10, 5.0) > 0.38
    assert lab.main(demo=True, episodes=2) == 0
    assert "held for 5 steps" in capsys.readouterr().out
    (trace,) = lab.traces(1.0, 1)
    # A block that falls off the table is not raised.
    for up, expected in ((0.1, True), (-0.4, False)):
        places = np.tile(trace.achieved_goals[:1], (51, 1)) + np.linspace(0, up, 51)[:, None] * [0, 0, 1]
        assert lab.raised(replace(trace, achieved_goals=places)) is expected
    with pytest.raises(UserError, match="at least 1"):
        lab.main(episodes=0)
