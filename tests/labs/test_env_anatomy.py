"""The lab of chapter 01: its claims hold, a false one is found, and the page says what the lab says."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from analysis.reports import DataReport, load
from envs.anatomy import observation_entries

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "tutorials/ch01_fetch_env_anatomy.md"


@pytest.fixture
def lab() -> ModuleType:
    spec = importlib.util.spec_from_file_location("env_anatomy", ROOT / "scripts/labs/env_anatomy.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def wrong(claims: list[tuple[str, str, float, float, float]]) -> set[str]:
    """Names of the claims that do not hold."""
    return {name for name, _, value, low, high in claims if not low <= value <= high}


def test_every_claim_holds_and_the_report_says_so(lab: ModuleType, tmp_path: Path) -> None:
    assert lab.main(verify=True, json_out=str(tmp_path / "a.json")) == 0
    data = load(tmp_path / "a.json", DataReport).data
    assert data["claims"] == len(data["values"]) >= 40 and data["wrong"] == 0
    assert data["push_solved_seeds"] == [10, 54, 78, 79, 84]
    assert len(data["push_start_cm"]) == 1000 and data["FetchPush-v4"]["n"] == 1000


def test_the_wrong_sign_of_the_gripper_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exercise 5a of the page."""
    monkeypatch.setattr(lab, "OPENS", -1.0)
    assert wrong(lab.check_action({})) == {"open", "kept", "closed"}


def test_a_wrong_threshold_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exercise 5b of the page."""
    monkeypatch.setattr(lab, "THRESHOLD", 0.04)
    found = wrong(lab.check_reward({})) | wrong(lab.check_reset({}))
    assert found == {"reward", "success", "edge_success", "solved", "seeds"}


def test_a_wrong_unit_of_velocity_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exercise 5c of the page."""
    monkeypatch.setattr(lab, "SUBSTEPS", 10)
    tasks = ("FetchReach", "FetchPush", "FetchSlide", "FetchPickAndPlace")
    assert wrong(lab.check_observation({})) == {f"{task}_error" for task in tasks}


def test_a_wrong_order_of_the_entries_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    gripper, block, relative, *rest = lab.OBJECT_FIELDS
    monkeypatch.setattr(lab, "OBJECT_FIELDS", (gripper, relative, block, *rest))
    assert "FetchReach_error" not in wrong(lab.check_observation({})) >= {"FetchPush_error", "FetchSlide_error"}


def test_a_wrong_claim_is_printed_and_decides_the_exit_status(
    lab: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("check_observation", "check_action", "check_reward", "check_reset"):
        monkeypatch.setattr(lab, name, lambda more: [])
    monkeypatch.setattr(lab, "PUSH_SOLVED", [0])  # seed 0 does not begin solved
    assert lab.main(verify=True) == 1
    printed = capsys.readouterr().out
    assert "WRONG Push, solved at reset" in printed and "2 of 3 claims hold" in printed


def test_the_demo_prints_every_index(lab: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.main(demo=True) == 0
    printed = capsys.readouterr().out
    assert len(re.findall(r"^ +\d+  [a-z_]+ +[+-]\d", printed, re.M)) == 25
    assert re.search(r"FetchPush-v4 +\d+ of 1000 = ", printed)


@pytest.mark.parametrize(("env_id", "fields"), [("FetchReach-v4", "REACH_FIELDS"), ("FetchSlide-v4", "OBJECT_FIELDS")])
def test_entries_have_the_names_and_units_that_the_lab_measured(lab: ModuleType, env_id: str, fields: str) -> None:
    rows = [(name, unit) for name, count, unit, _ in getattr(lab, fields) for _ in range(count)]
    assert [(name.rpartition("_")[0], unit) for name, unit in observation_entries(env_id)] == rows


def test_the_table_of_the_page_is_that_of_the_lab(lab: ModuleType) -> None:
    def spans(fields: tuple[tuple[str, int, str, str], ...]) -> dict[str, str]:
        found, start = {}, 0
        for name, count, _, _ in fields:
            found[name] = f"{start} to {start + count - 1}"
            start += count
        return found

    reach, others = spans(lab.REACH_FIELDS), spans(lab.OBJECT_FIELDS)
    for name, _, unit, meaning in lab.OBJECT_FIELDS:
        row = f"| `{name}` | {unit} | {meaning} | {reach.get(name, '')} | {others[name]} |".replace("|  |", "| |")
        assert row in PAGE.read_text(encoding="utf-8"), row
