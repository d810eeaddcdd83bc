"""The script of chapter 10: each command once at its smallest size, and what it refuses."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import ModuleType

import pytest

import evaluation.version_gap as version_gap
from analysis.readiness import NAMES
from analysis.reports import DataReport, TrainMeta, load
from common.errors import UserError

SCRIPT = "ch10_reality_gap"

ROOT = Path(__file__).resolve().parents[2]
PUSH = str(ROOT / "checkpoints/reference/FetchPush-v4.zip")


def test_readiness_measures_every_line_of_the_checklist(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.readiness(PUSH, n_episodes=2, perturbed_episodes=1) == 0
    data = load("runs/ch10/readiness_fetchpush-v4.json", DataReport).data
    lines = {line["name"]: line for line in data["verdict"]["checks"]}
    assert tuple(lines) == NAMES and not data["verdict"]["ready"]
    # Two episodes say little: whatever they were, the interval's lower end is far below the limit.
    assert lines["success"]["value"] < 0.9 and "success" in data["verdict"]["failed"]
    assert all(line["value"] is not None for name, line in lines.items() if name != "export")
    names = [point["name"] for point in data["points"]]
    assert {"nominal", "mass ×2", "lag ×0.5", "delay 3", "noise 0.005", "lost view"} < set(names) and len(names) == 18
    assert "Not ready" in Path("runs/ch10/readiness_fetchpush-v4.html").read_text(encoding="utf-8")
    assert "NOT READY: success" in capsys.readouterr().out


@pytest.fixture
def trained(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Training that takes no time: every run ends with the reference policy. Returns the flags of each."""
    runs: list[tuple[str, ...]] = []

    def train(*flags: str, out: str, mode: object) -> None:
        runs.append(flags)
        for suffix in (".zip", ".meta.json"):
            target = script.chapter.file(f"{out}{suffix}", mode)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(PUSH.removesuffix(".zip") + suffix, target)

    monkeypatch.setattr(script.chapter, "train", train)
    return runs


def test_randomize_trains_each_arm_and_meets_every_robot(
    script: ModuleType, trained: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evaluation.randomized.ends_of_factors", lambda path, env_id: {"lag ×2": "plant:lag=2"})
    for suffix in (".zip", ".meta.json"):
        shutil.copy(PUSH.removesuffix(".zip") + suffix, f"clean_seed0{suffix}")
    arms = {"factors": "lag", "widths": "0.5,1", "longer": "0", "clean": "clean_seed"}
    assert script.randomize(seeds="0", **arms, n_episodes=1) == 0
    wraps = ["randomize:factors=lag", "randomize:width=0.5", "randomize", "randomize"]
    assert [flags[flags.index("--wrap") + 1] for flags in trained] == wraps
    # Only the last one does not take the recipe's steps, but twice as many as the clean policy took.
    assert [flags[flags.index("--total-steps") + 1 :] for flags in trained if "--total-steps" in flags] == [
        (str(2 * load("clean_seed0.meta.json", TrainMeta).steps),)
    ]
    data = load("runs/ch10/randomize_fetchpush-v4.json", DataReport).data
    assert [row["robot"] for row in data["rows"]] == [
        "nominal", "lag ×2", "delay 1", "delay 2", "all, half range", "all together"
    ]  # fmt: skip
    assert set(data["summary"]) == {"clean", "lag", "all, width 0.5", "all", "all, twice as long"}
    assert data["summary"]["lag"]["worst"]["n"] <= 1
    assert Path("runs/ch10/randomize_fetchpush-v4.png").stat().st_size > 10_000


def test_augment_trains_a_student_for_each_augmentation(
    script: ModuleType, trained: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The policy from state stands in for the students, and a plain and a shifted task for what they would see."""
    monkeypatch.setattr("evaluation.visual.SHIFTS", {"as trained": "", "light ±50%": "plant:lag=0.5"})
    for seed in (0, 1):
        for suffix in (".zip", ".meta.json"):
            shutil.copy(PUSH.removesuffix(".zip") + suffix, f"shift_seed{seed}{suffix}")
    names, given = "none,jitter,shift", "shift=shift_seed"
    assert script.augment(names, students=given, seeds="0,1", n_episodes=1, total_steps=900) == 0
    flags_of_runs = [dict(pairwise(flags)) for flags in trained]
    runs = [(flags["--augment"], flags.get("--seed", "0")) for flags in flags_of_runs]
    assert runs == [("none", "0"), ("none", "1"), ("jitter", "0"), ("jitter", "1")]
    assert all("dagger" in flags and flags[flags.index("--total-steps") + 1] == "900" for flags in trained)
    data = load("runs/ch10/augment.json", DataReport).data
    assert [row["robot"] for row in data["rows"]] == ["as trained", "light ±50%"]
    assert set(data["rows"][0]["arms"]) == {"none", "jitter", "shift"}
    assert set(data["rows"][1]["arms"]["shift"]["seeds"]) == {"0", "1"}
    assert Path("runs/ch10/augment.png").stat().st_size > 10_000


def test_sysid_identifies_and_meets_the_robot(script: ModuleType, trained: list[tuple[str, ...]]) -> None:
    pytest.importorskip("mujoco.sysid", reason="needs the extra `sysid`", exc_type=ImportError)
    assert script.sysid(PUSH, logs="1", validation=1, n_episodes=1, retrain_steps=1000) == 0
    data = load("runs/ch10/sysid.json", DataReport).data
    (row,) = data["rows"]
    assert row["delay"]["found"] == row["delay"]["true"] == 1
    assert row["parameters"]["gain"]["found"] == pytest.approx(1.15, rel=0.02)
    assert row["validation"]["gripper"]["identified"] < 0.1 * row["validation"]["gripper"]["nominal"]
    # Of an arm in the air nobody learns what the block weighs.
    assert not data["identifiability"]["crossed"]["parameters"]["mass"]["identifiable"]
    # Nor of a push, once the arm is known: asked before the block's fit, and after it.
    assert not row["asked_with_the_arm_known"]["mass"]["identifiable"]
    assert not row["parameters"]["mass"]["identifiable"] and row["parameters"]["friction"]["identifiable"]
    (flags,) = trained
    assert flags[flags.index("--wrap") + 1] == data["wrap"] and data["wrap"].startswith("plant:gain=1.1")
    assert set(data["policies"]) == {"as trained", "trained on the identified robot"}


def test_the_term_that_a_version_added_is_found_in_logs_of_the_one_before(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the three models only one leaves no more than noise, and it says that the term was not there."""
    models = {name: version_gap.MODELS[name] for name in ("arm", "arm and weld")}
    # Parameters that turn out to be nominal take most of the time.
    models = {name: replace(stage, names=("gain", *stage.names[3:])) for name, stage in models.items()}
    monkeypatch.setattr(version_gap, "MODELS", models)
    assert script.sysid_version(str(ROOT / script.ROBOT_36), PUSH, logs="1", n_episodes=1) == 0
    data = load("runs/ch10/sysid_version.json", DataReport).data
    arm, weld = data["rows"]
    assert weld["parameters"]["weld"]["found"] == pytest.approx(0, abs=0.01) and 0.5 < weld["remaining"] < 1.5
    assert weld["parameters"]["gain"]["found"] == pytest.approx(1, abs=0.01)
    assert arm["remaining"] > 50 and arm["validation"] > 20 * weld["validation"]
    assert set(data["policy"]["policy"]) == {"this version", "the identified one"}
    assert Path("runs/ch10/sysid_version.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("readiness", {"ckpt": "nothing.zip"}, "nothing"),
        ("randomize", {"factors": "fricton"}, "mean friction"),
        ("randomize", {"seeds": "5-3"}, "runs backwards"),
        ("randomize", {"widths": "half"}, "is no number"),
        ("randomize", {"widths": "0"}, "a number above 0"),
        ("sysid", {"logs": "0"}, "at least one log"),
        ("sysid", {"ckpt": "nothing.zip"}, "nothing"),
        ("sysid-version", {"robot": "nothing.json"}, "nothing.json"),
        ("augment", {"augmentations": "shfit"}, "mean shift"),
        ("augment", {"students": "shift"}, "NAME=PREFIX"),
        ("randomize", {"longer": "1-"}, "is no seed"),
        ("augment", {"seeds": "a"}, "is no seed"),
        ("augment", {"augmentations": ""}, "at least one"),
    ],
)
def test_mistakes_are_told(script: ModuleType, command: str, arguments: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        script.chapter.commands[command](**arguments)
