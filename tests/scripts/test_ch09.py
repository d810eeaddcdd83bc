"""The script of chapter 09: its arms, one run from begin to end, the price of pixels as a ratio of measured steps."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from analysis.pixels import compared, push_text, reach_text
from analysis.reports import DataReport, EvalReport, Evaluation, TrainMeta, load
from common.errors import UserError
from configs.pixels import ARMS, run_config, run_name
from configs.recipes import resolve
from envs.rendering import choose_backend

SCRIPT = "ch09_pixels"

ROOT = Path(__file__).resolve().parents[2]
drawn = pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("smoke", [False, True])
def test_every_arm_is_a_run_that_can_be_resolved(arm: str, smoke: bool) -> None:
    settings = resolve(run_config(arm, 3, smoke=smoke)).settings
    assert settings["seed"] == 3 and settings["env"] == ARMS[arm].env
    wrap = " ".join(settings["wrap"]) if "wrap" in settings else ""
    # What is relabelled has no marker in the picture; what acts by imitation alone is not shown what was achieved.
    if settings["her"] and wrap:
        assert "goal_mode=both" in wrap
        # A picture has no mirror image here; the places that an encoder saw in it have.
        assert not settings["mirror"] or settings["backend"] == "locating"
    if arm.startswith("distil"):
        assert "goal_mode=desired" in wrap and (ROOT / settings["teacher"]).exists()
    if arm.startswith("pixels") and not settings["her"]:
        assert "goal_mode=none" in wrap


def test_lifting_is_watched_from_two_sides() -> None:
    assert "camera=near," in run_config("distil", 0).wrap[0]
    config = run_config("distil", 0, "FetchPickAndPlace-v4")
    assert "camera=near+front," in config.wrap[0] and "PickAndPlace" in resolve(config).settings["teacher"]


def test_training_of_reach_is_judged_by_episodes_enough_for_the_rule() -> None:
    for arm in ("state", "pixels", "pixels_drq"):
        assert resolve(run_config(arm, 0)).settings["eval_episodes"] >= 50


def test_arms_that_do_not_exist() -> None:
    with pytest.raises(UserError, match="unknown arm pixel;.*Did you mean pixels"):
        run_config("pixel", 0)


def test_lists_are_read_before_anything_is_run(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown arm pixel;"):
        script.compare("0", "state,pixel")
    with pytest.raises(UserError, match="--sizes 64,x: .*from 16 to 512"):
        script.count("64,x")
    with pytest.raises(UserError, match="--threads 0: "):
        script.render(threads="0")
    assert not list(tmp_path.iterdir())


@drawn
def test_the_student_from_begin_to_end_in_smoke_mode(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    mode = script.Mode.__origin__(smoke=True)
    assert script.push_compare("0", "distil", mode=mode) == 0
    data = load(script.chapter.file("push_comparison.json", mode), DataReport).data
    run = data["arms"]["distil"]["runs"][0]
    assert run["seed"] == 0 and run["updates"] > 0 and run["success"]["n"] == 2
    assert "distil" in capfd.readouterr().out


@drawn
def test_lifting_is_judged_by_where_goals_are(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UserError, match="does not exist: train it first, with distil --env FetchPickAndPlace-v4"):
        script.pick_compare("0")
    monkeypatch.chdir(ROOT)
    mode = script.Mode.__origin__(smoke=True)
    assert script.pick_compare("0", mode=mode) == 0
    (run,) = load(script.chapter.file("pick_comparison.json", mode), DataReport).data["runs"]
    air, table = (run["strata"]["success"][group]["n"] for group in ("air", "table"))
    assert air + table == run["strata"]["n"] == 2 and run["updates"] > 0
    assert "in the air" in capfd.readouterr().out


def pair(crossed: int | None, seed: int) -> tuple[TrainMeta, EvalReport]:
    """A committed run of Push, as if it had crossed 95% at step `crossed`."""
    folder = ROOT / "results/recipes/sac_her_FetchPush-v4"
    meta, report = load(folder / "seed0_train.json", TrainMeta), load(folder / "seed0_eval.json", EvalReport)
    low = meta.evaluations[0].success.model_copy(update={"rate": 0.5})
    high = low.model_copy(update={"rate": 1.0})
    points = [4000 * i for i in range(1, 11)]
    fields = meta.evaluations[0].model_dump() | {"success": None}
    evaluations = [
        Evaluation(**fields | {"steps": s, "success": high if crossed is not None and s >= crossed else low})
        for s in points
    ]
    return meta.model_copy(update={"seeds": [seed], "evaluations": evaluations}), report


def test_rho_is_measured_at_the_threshold_and_not_from_budgets() -> None:
    arms: dict[str, Any] = {
        "state": [pair(4000, 0), pair(8000, 1)], "pixels": [pair(24000, 0), pair(24000, 1)],
        "never": [pair(None, 0), pair(8000, 1)],
    }  # fmt: skip
    data = compared(arms, ceiling="state")
    assert data["arms"]["state"]["rho"] == 1 and data["arms"]["pixels"]["rho"] == 4
    # A median that is not reached is no number, and no ratio.
    assert data["arms"]["never"]["rho"] is None and data["arms"]["never"]["median_steps_to_95"] is None
    text = reach_text(data)
    assert "rho of pixels: 4.0" in text and "not in" in text and "rho of never" not in text
    assert "nothing of Push" in push_text({"arms": {}})


@drawn
def test_encoders_are_compared_with_the_students_own_run_as_it_is(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def run(arm: str, env: str | None, seed: int, mode: Any, encoder: str | None = None) -> Path:
        asked.append((arm, seed, encoder))
        return tmp_path / str(encoder)

    monkeypatch.setattr(script, "trained", run)
    monkeypatch.setattr(script, "_pair", lambda checkpoint, *_: pair(8000 if checkpoint.name == "None" else 24000, 0))
    monkeypatch.chdir(tmp_path)
    assert script.encoder_compare() == 0
    assert asked == [("distil", 0, None), ("distil", 0, "nature:bf16=true"), ("distil", 0, "manipulation:bf16=true")]
    arms = load(tmp_path / "runs/ch09/encoder_comparison.json", DataReport).data["arms"]
    assert [arm["rho"] for arm in arms.values()] == [1, 3, 3]


def test_names() -> None:
    assert run_name("distil", "FetchPush-v4", 1) == "FetchPush-v4_distil_seed1"
    # Another encoder's run does not continue or replace the arm's own.
    assert run_name("pixels", "FetchReach-v4", 0, "nature:bf16=true") == "FetchReach-v4_pixels_nature_seed0"


def test_published_runs_stand_in_for_those_that_are_not_here() -> None:
    published = compared({"distil": [pair(8000, 0), pair(None, 1)], "blind_her": [pair(None, 0)]}, "distil")["arms"]
    data = compared({"distil": [pair(4000, 1), pair(4000, 2)]}, "distil", published)
    crossed = [(run["seed"], run["steps_to_95"]) for run in data["arms"]["distil"]["runs"]]
    assert crossed == [(0, 8000), (1, 4000), (2, 4000)]
    assert data["arms"]["distil"]["median_steps_to_95"] == 4000
    assert [run["seed"] for run in data["arms"]["blind_her"]["runs"]] == [0]
