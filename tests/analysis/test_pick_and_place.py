"""Chapter 05's arms side by side, and the page's report from what was measured and what was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.failures import KINDS
from analysis.pick_and_place import arm_row, arms_text, arms_together
from analysis.pick_report import draw, gather
from analysis.reports import DataReport, TrainMeta, load, save
from analysis.stress import NOMINAL, examined
from common.errors import UserError
from common.provenance import metadata
from tests.analysis.test_failures import CASES
from tests.analysis.test_grasping import episode, graded

ROOT = Path(__file__).resolve().parents[2]
RECIPE = ROOT / "results/recipes/sac_her_FetchPickAndPlace-v4"


@pytest.fixture(scope="module")
def metas() -> list[TrainMeta]:
    return [load(RECIPE / f"seed{seed}_train.json", TrainMeta) for seed in (0, 1, 2)]


def test_a_longer_run_is_cut_at_the_budget(metas: list[TrainMeta]) -> None:
    whole, cut = arm_row("bursts", metas[0], 200_000), arm_row("none", metas[0], 48_000)
    assert cut["evaluations"] == whole["evaluations"][: len(cut["evaluations"])]
    assert cut["evaluations"][-1]["steps"] == 48_000 and cut["at_budget"] == cut["evaluations"][-1]["success"]
    assert whole["steps_to_95"] and cut["steps_to_95"] is None
    with pytest.raises(UserError, match="no evaluation after 50,000 steps"):
        arm_row("none", metas[0], 50_000)


def test_arms_are_compared_with_none(metas: list[TrainMeta]) -> None:
    rows = [arm_row("bursts", meta, 200_000) for meta in metas] + [arm_row("none", meta, 48_000) for meta in metas]
    found = arms_together(rows)
    assert found["bursts"]["crossed"] == 3 and found["none"]["crossed"] == 0
    assert found["none"]["median_steps_to_95"] is None and found["bursts"]["at_budget"]["n"] == 150
    difference = found["bursts"]["minus_none"]
    expected = found["bursts"]["at_budget"]["rate"] - found["none"]["at_budget"]["rate"]
    assert difference["difference"] == pytest.approx(expected) and difference["low"] < expected < difference["high"]
    assert "minus_none" not in arms_together(rows[:3])["bursts"]
    text = arms_text(found)
    assert "bursts: mean of 3 training seeds" in text and "0 of 3 seeds reach 95%" in text


def test_the_page_is_made_of_what_there_is(tmp_path: Path, metas: list[TrainMeta]) -> None:
    with pytest.raises(UserError, match="no stress test"):
        gather(tmp_path)
    traces = [trace for _, trace in CASES]
    grades = graded([episode([0.0, *[0.1] * 11], 0.01), episode([0.0] * 12, 0.2)])
    point = {"sha256": "0"} | examined(traces) | {"stages": grades}
    for seed, data in ((0, {NOMINAL: point, "object_mass=4": point}), (1, {NOMINAL: point})):
        name = f"ch05_sac_her_fetchpickandplace-v4_seed{seed}_stress"
        save(tmp_path / f"{name}.json", DataReport(**metadata({}), name=name, data=data))
    data = gather(tmp_path)
    assert data["stress"][NOMINAL]["n"] == 2 * len(traces) and data["stress"]["object_mass=4"]["n"] == len(traces)
    assert data["failures"] == dict.fromkeys(KINDS, 1) and data["stages"]["air"]["lift"]["n"] == 4
    assert set(draw(data)) == {"stress_task", "stress_object", "stages"}
    assert not {"compare", "dense", "shift"} & data.keys()
    arms = {"arms": arms_together([arm_row("bursts", meta, 200_000) for meta in metas])}
    save(tmp_path / "ch05_compare.json", DataReport(**metadata({}), name="compare", data=arms))
    (tmp_path / "sweeps").mkdir()
    rows = json.loads((ROOT / "results/sweeps/reach_seeds.json").read_text())["data"]["rows"]
    shift = DataReport(**metadata({}), name="sweep", data={"rows": rows})
    save(tmp_path / "sweeps/ch05_reward_shift.json", shift)
    data = gather(tmp_path)
    assert set(draw(data)) == {"stress_task", "stress_object", "stages", "arms"}
    assert data["shift"]["recipe"]["success"]["n"] == 500 and data["shift"]["no_input_map"]["success"]["successes"] == 0
    # Trained again, and `eval` alone repeated: the other points are of other weights.
    mixed = {NOMINAL: point | {"sha256": "1"}, "object_mass=4": point}
    save(tmp_path / f"{name}.json", DataReport(**metadata({}), name=name, data=mixed))
    with pytest.raises(UserError, match="several weights"):
        gather(tmp_path)
