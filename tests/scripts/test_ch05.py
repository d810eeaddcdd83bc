"""The script of chapter 05: what it refuses, what it does not do twice; its commands run on the page's test."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from analysis.reports import DataReport, TrainMeta, load, save
from analysis.stress import NOMINAL
from common.errors import UserError
from common.provenance import metadata
from configs.pick_and_place import ARMS, NO_BURSTS, Schedule, arm_config, dense_config
from train import resolved_for

SCRIPT = "ch05_pick_and_place"

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "checkpoints/reference/FetchPickAndPlace-v4.zip"


def test_arms_differ_in_the_bursts_alone() -> None:
    settings = {arm: resolved_for(arm_config(arm, 0)).settings for arm in ARMS}
    assert settings["none"] == settings["curriculum"]
    changed = {key for key, value in settings["bursts"].items() if settings["none"][key] != value}
    assert changed == set(NO_BURSTS)
    dense = resolved_for(dense_config(0)).settings
    assert dense["env"] == "FetchPickAndPlaceDense-v4" and not dense["her"] and not dense["clip_targets"]
    assert dense["mirror"] and dense["normalise"]


def test_a_point_is_measured_once(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.chapter.commands["eval"](str(REFERENCE), 2) == 0
    path = Path("runs/ch05/fetchpickandplace-v4_stress.json")
    first = load(path, DataReport).data[NOMINAL]
    assert first["n"] == 2 and first["stages"]["all"]["place"]["n"] == 2
    assert "verdict on goals in the air" in capsys.readouterr().out
    written = path.stat().st_mtime_ns
    assert script.chapter.commands["eval"](str(REFERENCE), 2) == 0
    assert path.stat().st_mtime_ns == written
    with pytest.raises(UserError, match="nothing to film"):
        data = {NOMINAL: first | {"failed": []}}
        save(path, DataReport(**metadata({}), name="x", data=data))
        script.chapter.commands["gallery"](str(REFERENCE))
    with pytest.raises(UserError, match="other weights"):
        save(path, DataReport(**metadata({}), name="x", data={NOMINAL: first | {"sha256": "0"}}))
        script.chapter.commands["gallery"](str(REFERENCE))


def test_a_finished_curriculum_is_kept_and_another_schedule_refused(script: ModuleType) -> None:
    meta = load(ROOT / "results/recipes/sac_her_FetchPickAndPlace-v4/seed0_train.json", TrainMeta)
    save("checkpoints/ch05_curriculum_seed0.meta.json", meta)
    script.chapter.write("ch05_curriculum_seed0_schedule", {"schedule": vars(Schedule()), "widened_at": []})
    curriculum = script.chapter.commands["curriculum"]
    assert curriculum(0) == 0 == curriculum(0, mode=script.DEFAULT.__class__(publish=True))
    with pytest.raises(UserError, match="another schedule"):
        curriculum(0, schedule=Schedule(threshold=0.6))


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("train", {"arm": "burst"}, "mean bursts"),
        ("compare", {"arms": "none,curiculum"}, "mean curriculum"),
        ("compare", {"seeds": "5-3"}, "runs backwards"),
        ("stress", {"factors": "object_mas"}, "mean object_mass"),
        ("stress", {"ckpt": "nothing.zip"}, "nothing.zip does not exist"),
        ("eval", {"ckpt": str(REFERENCE), "n_episodes": 0}, "at least one"),
        ("gallery", {"ckpt": str(REFERENCE)}, "does not exist"),
        ("curriculum", {"schedule": Schedule(stages=0)}, "at least one stage"),
        ("curriculum", {"schedule": Schedule(object_range=0.05)}, "object_range"),
        ("report", {}, "no stress test"),
    ],
)
def test_mistakes_are_told(script: ModuleType, command: str, arguments: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        script.chapter.commands[command](**arguments)
