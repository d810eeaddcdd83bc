"""The script of chapter 08: what it measures and writes, and that smoke mode leaves real reports alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from analysis.errors import TrainingFailure, UserError
from analysis.reports import DataReport, load


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("ch08_fast_loop")


def test_profile_writes_parts_of_three_loops(script: ModuleType, tmp_path: Path) -> None:
    report, figure = tmp_path / "profile.json", tmp_path / "profile.png"
    assert script.profile("FetchReach-v4", steps=400, json_out=str(report), out=str(figure)) == 0
    data = load(report, DataReport).data
    assert list(data["seconds"]) == ["stock, DummyVecEnv", "stock, SubprocVecEnv", "ours"]
    assert data["steps"] == 400 and data["updates"] > 0
    for parts in data["seconds"].values():
        assert parts["simulate"] > 0 and parts["update"] > 0
    assert figure.stat().st_size > 5000


def test_report_tells_every_seed_of_every_recipe(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(script, "FIGURES", str(tmp_path))
    assert script.report(str(tmp_path / "race.json")) == 0
    rows = load(tmp_path / "race.json", DataReport).data["rows"]
    recipes = sorted(path.stem for path in Path("results/recipes").glob("*.json"))
    assert sorted({row["recipe"] for row in rows}) == recipes
    assert capsys.readouterr().out.count("seed ") == len(rows) >= 3 * len(recipes)
    assert (tmp_path / "ch08_race.png").stat().st_size > 10_000


def test_smoke_writes_nothing_here(script: ModuleType) -> None:
    assert not script.place("results/x.json", True).startswith("results")
    assert script.place("results/x.json", False) == "results/x.json"


def test_a_failing_part_is_said(script: ModuleType) -> None:
    with pytest.raises(TrainingFailure, match=r"benchmark\.py --part nothing ended with status 2"):
        script.call("benchmark.py", "--part", "nothing")


def test_a_recipe_that_was_not_measured(tmp_path: Path) -> None:
    from analysis.race import race, recipe_runs

    with pytest.raises(UserError, match="no recipe was measured"):
        recipe_runs(tmp_path)
    with pytest.raises(UserError, match="sac_her_FetchNone-v4 was not measured"):
        race(str(tmp_path / "a.json"), str(tmp_path / "a.png"), "sac_her_FetchNone-v4")
