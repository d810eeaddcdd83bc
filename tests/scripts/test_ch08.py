"""The script of chapter 08: what it measures and writes, and that smoke mode leaves real reports alone."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

import configs.recipes
import envs.vector
from analysis.reports import DataReport, load
from common.errors import UserError


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("ch08_fast_loop")


def test_profile_writes_parts_of_three_loops(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With two environments, a small network and nobody's processes: the page's `profile` starts some."""
    stock, resolve = envs.vector.make_stock_vec_env, configs.recipes.resolve
    monkeypatch.setattr(envs.vector, "make_stock_vec_env", lambda env, n, kind: stock(env, n, "dummy"))
    monkeypatch.setattr(
        configs.recipes, "resolve", lambda config: resolve(dataclasses.replace(config, n_envs=2, net_arch=(8,)))
    )
    report, figure = tmp_path / "profile.json", tmp_path / "profile.png"
    assert script.profile("FetchReach-v4", steps=100, json_out=str(report), out=str(figure)) == 0
    data = load(report, DataReport).data
    assert list(data["seconds"]) == ["stock, DummyVecEnv", "stock, SubprocVecEnv", "ours"]
    assert data["steps"] == 100 and data["updates"] == 400
    for parts in data["seconds"].values():
        assert parts["simulate"] > 0 and parts["update"] > 0
    assert figure.stat().st_size > 5000


def test_report_tells_every_seed_of_every_recipe(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    monkeypatch.setattr(script.chapter, "file", lambda name, *_: tmp_path / name)
    assert script.report() == 0
    rows = load(tmp_path / "learning_curves.json", DataReport).data["rows"]
    recipes = sorted(path.stem for path in Path("results/recipes").glob("*.json"))
    assert sorted({row["recipe"] for row in rows}) == recipes
    assert capsys.readouterr().out.count("seed ") == len(rows) >= 3 * len(recipes)
    for task in {recipe.rsplit("_", 1)[-1] for recipe in recipes}:
        assert (tmp_path / f"learning_curves_{task}.png").stat().st_size > 10_000


def test_a_recipe_that_was_not_measured(tmp_path: Path) -> None:
    from analysis.learning_curves import recipe_runs

    with pytest.raises(UserError, match="no recipe was measured"):
        recipe_runs(tmp_path)


def test_how_much_moved_is_read_from_the_logs(tmp_path: Path) -> None:
    from analysis.learning_curves import moved_shares

    lines = [{"steps": 100 * i} | ({"replay/moved_lately": share} if share is not None else {})
             for i, share in enumerate((None, 0.13, 0.05, 0.4, 0.6, 0.9))]  # fmt: skip
    entries = [json.dumps({"kind": "train", "updates": 0, "wall_clock_s": 1.0} | line) for line in lines]
    (tmp_path / "seed3_metrics.jsonl").write_text("\n".join(entries) + "\n")
    (tmp_path / "seed4_metrics.jsonl").write_text(entries[0] + "\n")
    assert moved_shares(tmp_path) == [{"seed": 3, "first": 0.13, "least": 0.05, "half_at_steps": 400}]
