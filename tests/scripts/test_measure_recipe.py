"""Measuring a recipe: what is written, and what counts as reaching 95%."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from analysis.reports import DataReport, EvalReport, TrainMeta, load, save
from common.errors import UserError
from common.renamed import today
from configs.train_config import TrainConfig
from train import run

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure_recipe", ROOT / "scripts/measure_recipe.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["measure_recipe"] = module
    spec.loader.exec_module(module)
    return module


def test_smoke_writes_reports_and_leaves_the_recipe_alone(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = (ROOT / "configs/sac_her_FetchReach-v4.yaml").read_text()
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path / "out"))
    assert script.measure(script.MeasureConfig(algo="sac", her=True, env="FetchReach-v4", smoke=True)) == 0
    summary = load(tmp_path / "out/sac_her_FetchReach-v4.json", DataReport)
    seeds = summary.data["seeds"]
    assert len(seeds) == 1 and seeds[0]["success"]["n"] == 2
    load(tmp_path / "out/sac_her_FetchReach-v4/seed0_train.json", TrainMeta)
    load(tmp_path / "out/sac_her_FetchReach-v4/seed0_eval.json", EvalReport)
    assert (ROOT / "configs/sac_her_FetchReach-v4.yaml").read_text() == recipe


def test_a_finished_run_with_other_settings_is_not_the_recipes(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path / "out"))
    known = {"algo": "sac", "her": True, "env": "FetchReach-v4", "smoke": True}
    out = tmp_path / "out/checkpoints/sac_her_FetchReach-v4_seed0"
    run(TrainConfig(**known, gamma=0.5, out=str(out)))
    with pytest.raises(UserError, match=r"another .*\bgamma\b"):
        script.measure(script.MeasureConfig(**known))


def test_half_a_run_and_fewer_than_three_seeds_are_no_measurement(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path / "out"))
    known = {"algo": "sac", "her": True, "env": "FetchReach-v4"}

    def stopped(config: TrainConfig) -> None:
        meta = load(ROOT / "results/recipes/sac_her_FetchReach-v4/seed0_train.json", TrainMeta)
        save(f"{config.out}.meta.json", meta.model_copy(update={"status": "interrupted"}))

    monkeypatch.setattr("train.run", stopped)
    with pytest.raises(KeyboardInterrupt):
        script.measure(script.MeasureConfig(**known, smoke=True))
    assert not list((tmp_path / "out").glob("*.json")), "a summary of half a run"
    with pytest.raises(UserError, match="three seeds"):
        script.measure(script.MeasureConfig(**known, seeds="0,1"))


def committed_recipes() -> list[Path]:
    return sorted(path for path in (ROOT / "configs").glob("*.yaml") if path.stem != "defaults")


@pytest.mark.parametrize("path", committed_recipes(), ids=lambda path: path.stem)
def test_a_recipe_carries_the_measurement_of_its_own_settings(path: Path) -> None:
    """At least three seeds; the block in the YAML equals the report; the runs were made with these very settings."""
    recipe = yaml.safe_load(path.read_text())
    report = json.loads((ROOT / recipe["measured"]["report"]).read_text())["data"]
    assert len(report["seeds"]) >= 3
    assert recipe["measured"]["rule"] == report["rule"] and recipe["measured"]["machine"] == report["machine"]
    for block, row in zip(recipe["measured"]["seeds"], report["seeds"], strict=True):
        assert block["seed"] == row["seed"]
        assert block["steps_to_95"] == row["steps_to_95"] and block["minutes_to_95"] == row["minutes_to_95"]
        assert block["final"] == f"{row['success']['successes']} of {row['success']['n']}"
        meta = load(ROOT / f"results/recipes/{path.stem}/seed{row['seed']}_train.json", TrainMeta)
        assert meta.status == "finished"
        # Evaluations change what is seen of a run, not the run.
        settings = {k: v for k, v in recipe["settings"].items() if k not in ("eval_every", "eval_episodes")}
        config = today(meta.config)
        assert {key: config[key] for key in settings} == settings
