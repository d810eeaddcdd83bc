"""The chapter's report and figures: main effects by hand, figures that show every seed."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from analysis.hindsight_figures import bits_figure, curves_figure, dots_figure, relabelled_episode_figure
from analysis.hindsight_report import FACTORS, PARTS, effects, factorial, finished_rates, rates_of
from analysis.metrics import rate
from analysis.reports import DataReport, save
from common.provenance import metadata

ROOT = Path(__file__).resolve().parents[2]


def a_rate(successes: int) -> dict:
    return rate([i < successes for i in range(20)]).model_dump()


def test_main_effects() -> None:
    """Updates add 0.1, entropy nothing, inputs 0.4, and 0.2 more where there are many updates."""
    cells = [
        {"updates": updates, "entropy": entropy, "inputs": inputs, "mean": 0.1 * (updates == "many")
         + 0.4 * (inputs == "map") + 0.2 * (updates == "many" and inputs == "map")}
        for updates, entropy, inputs in itertools.product(*FACTORS.values())
    ]  # fmt: skip
    found = effects(cells)
    assert found["inputs"] == pytest.approx({"pairs": 4, "mean": 50, "least": 40, "most": 60})
    assert found["updates"] == pytest.approx({"pairs": 4, "mean": 20, "least": 10, "most": 30})
    assert found["entropy"] == pytest.approx({"pairs": 4, "mean": 0.0, "least": 0.0, "most": 0.0})


def test_an_unfinished_cell_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    rows = [{"variant": v, "status": status, "success": {"rate": 0.5}} for v, status in
            (("a", "finished"), ("a", "finished"), ("b", "finished"), ("b", "running"))]  # fmt: skip
    save(tmp_path / "sweeps/x.json", DataReport(**metadata({}), name="sweep", data={"rows": rows}))
    assert finished_rates(tmp_path, "x", ["a", "b", "c"]) == {"a": [{"rate": 0.5}] * 2}
    assert finished_rates(tmp_path, "never_run", ["a"]) == {}
    levels = list(itertools.product(*FACTORS.values()))[:3]
    cells = [dict(zip(FACTORS, key, strict=True), mean=0.1) for key in levels]
    assert {name: found["pairs"] for name, found in effects(cells).items()} == {"entropy": 1, "inputs": 1}


def test_the_recipe_of_push_is_a_cell_of_its_factorial(tmp_path: Path) -> None:
    """It stands in the sweep once, under the name that it has among the goals of hindsight."""
    (tmp_path / "sweeps").mkdir()
    own = (("future_k4", 20), ("future_k4", 10), ("one_for_8_tuned_raw", 2), ("three_for_4_fixed_raw", 5))
    rows = [{"variant": v, "status": "finished", "success": a_rate(n)} for v, n in own]
    save(tmp_path / "sweeps/ch04_push_parts.json", DataReport(**metadata({}), name="sweep", data={"rows": rows}))
    found = factorial(tmp_path, "push")
    assert {name: cell["mean"] for name, cell in found["cells"].items()} == {
        "many_fixed_map": 0.75, "many_fixed_raw": 0.25, "one_for_8_tuned_raw": 0.1,
    }  # fmt: skip
    assert found["effects"] == {"inputs": {"pairs": 1, "mean": 50, "least": 50, "most": 50}}


def test_the_parts_of_the_recipe_are_in_the_committed_sweep() -> None:
    parts = rates_of(ROOT / "results", "push_ablation", list(PARTS))
    assert parts.keys() == PARTS.keys() and all(len(rates) == 2 for rates in parts.values())


def test_curves_draw_a_line_a_seed_and_leave_out_what_began_solved() -> None:
    run = [{"steps": 100 * i, "success": a_rate(3 * i), "success_net": a_rate(2 * i)} for i in range(4)]
    figure = curves_figure({"Reach": {"a": [run, run], "b": [run]}, "Push": {"a": [run]}})
    left, right = figure.axes
    assert len(left.lines) == 3 and len(right.lines) == 1
    assert list(left.lines[0].get_ydata()) == [0, 10, 20, 30]


def test_dots_and_bits() -> None:
    rows = {"one": [a_rate(4), a_rate(8)], "two": [a_rate(10)]}
    left, right = dots_figure({"short": {"two": [a_rate(2)]}, "long": rows}, reference="one").axes
    assert [t.get_text() for t in left.get_yticklabels()] == ["one", "two"]
    assert (len(left.containers), len(right.containers)) == (1, 3)
    rows = [{"bits": n, "her": her, "seed": 0, "success": a_rate(20 * her)} for n in (5, 10) for her in (True, False)]
    axes = bits_figure(rows, 20).axes[0]
    assert [list(line.get_ydata()) for line in axes.lines] == [[0, 0], [100, 100]]


def test_an_episode_with_a_row_for_every_goal() -> None:
    path = np.linspace(0, 1, 20).reshape(10, 2)
    figure = relabelled_episode_figure(0, 3, path, path + 0.1, path[:3], -np.ones((3, 10)))
    assert [t.get_text() for t in figure.axes[1].get_yticklabels()] == ["asked for", "relabelled 1", "relabelled 2"]
