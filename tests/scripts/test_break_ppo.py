"""The broken runs' bookkeeping: finished ones are read and not repeated, a NaN is no crash, seeds are added up.

That each bug is named: tests/callbacks/test_early_warning.py.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from analysis.early_warning import Finding
from analysis.metrics import rate
from analysis.reports import DataReport, load

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("break_ppo")


def test_a_finished_run_is_read(script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def train(how: str, seed: int, steps: int, out: Path, n: int):
        calls.append((how, seed, steps))
        found = {"kl_drift": Finding("kl_drift", 800, 2.0, 1.0, "less")}
        return types.SimpleNamespace(found=found, num_timesteps=steps), rate([True, False])

    monkeypatch.setattr(script, "train", train)
    first = script.one("no_clipping", 0, 1600, tmp_path / "a", 2)
    assert script.one("no_clipping", 0, 1600, tmp_path / "a", 2) == first and len(calls) == 1
    assert first["success"]["successes"] == 1 and first["warnings"][0]["rule"] == "kl_drift"
    script.one("no_clipping", 0, 3200, tmp_path / "a", 2)
    assert calls == [("no_clipping", 0, 1600), ("no_clipping", 0, 3200)]


def test_seeds_are_added_up(script: ModuleType) -> None:
    warned = [{"rule": "kl_drift", "steps": steps, "value": 2.0} for steps in (2400, 800)]
    rows = [{"success": rate([True, False]).model_dump(), "warnings": [warned[0]]},
            {"success": rate([True, True]).model_dump(), "warnings": [warned[1]]},
            {"success": None, "warnings": []}]  # fmt: skip
    summary = script.over_seeds(rows, ("dead_gradients", "kl_drift"))
    assert (summary["named"], summary["seeds_named"]) == ("kl drift (800 steps, 2 of 3 seeds)", 2)
    assert script.over_seeds(rows, ("dead_gradients",))["named"] == "none"
    assert (summary["success"]["successes"], summary["success"]["n"], summary["seeds_with_policy"]) == (3, 4, 2)
    assert summary["warned"] == "kl drift (800 steps, 2 of 3 seeds)"
    assert script.over_seeds(rows[2:])["warned"] == "none"


def test_a_run_that_meets_a_nan_ends_without_a_policy(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def poison(model) -> None:
        model.policy.log_std.data.fill_(float("nan"))

    monkeypatch.setitem(script.BUGS, "poison", script.Bug("a weight that is not a number", learner=poison))
    watch, success = script.train("poison", 0, 800, n=2)
    assert success is None and watch.found == {}


def test_each_bug_says_what_names_it(script: ModuleType) -> None:
    assert [name for name, bug in script.BUGS.items() if not bug.named] == ["healthy"]
    assert len(script.BUGS) == 7


def test_every_bug_was_named_on_every_seed_and_no_healthy_run_warned(script: ModuleType) -> None:
    """The committed runs behind chapter 02, three training seeds each."""
    bugs = load(ROOT / "results/ch02_broken.json", DataReport).data["bugs"]
    assert bugs.keys() == script.BUGS.keys() and bugs["healthy"]["warned"] == "none"
    assert {name: bugs[name]["seeds_named"] for name in bugs if name != "healthy"} == dict.fromkeys(
        [name for name in script.BUGS if name != "healthy"], 3
    )
