"""Figures of merit of a robustness curve: known curves, intervals that cover, and grids that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from analysis import robustness_figures
from analysis.metrics import Trace
from analysis.robustness import (
    METRICS,
    compared,
    critical_sigma,
    curve_of,
    merits,
    normalised_area,
    outcome,
    probability_of_improvement,
    read_grid,
    resampled,
    run_of,
    steepest_fall,
    table_text,
    tables_of,
)
from common.errors import UserError

GRID = [0.0, 0.01, 0.02, 0.05]


def trace(successes: list[bool]) -> Trace:
    many = np.zeros((len(successes) + 1, 3))
    flags = np.array(successes)
    return Trace(0, many, np.zeros(3), many, np.zeros(len(flags)), flags, many[1:], many[1:], 0.05)


def tables(curves: list[list[float]], n: int, seed: int = 0) -> np.ndarray:
    """Outcomes (R, K, N) of runs with these rates."""
    return (np.random.default_rng(seed).random((len(curves), len(curves[0]), n)) < np.array(curves)[..., None]) * 1.0


def run(table: np.ndarray, name: str = "a.zip") -> dict:
    return run_of(name, [dict.fromkeys(METRICS, [bool(flag) for flag in row]) for row in table])


def test_three_meanings_of_success() -> None:
    late = outcome(trace([False] * 45 + [True] * 5))
    assert late == {"success": True, "held": False, "any": True}
    lost = outcome(trace([False] * 20 + [True] * 29 + [False]))
    assert lost == {"success": False, "held": False, "any": True}
    assert outcome(trace([False] * 40 + [True] * 10)) == dict.fromkeys(METRICS, True)


def test_merits_of_known_curves() -> None:
    # A straight line from 1 to 0: half of the range, and half of the way.
    line = np.array([1.0, 0.8, 0.6, 0.0])
    assert normalised_area(GRID, line) == pytest.approx(0.5)
    assert critical_sigma(GRID, line) == pytest.approx(0.025)
    assert steepest_fall(GRID, line) == pytest.approx(20.0)
    # The first fall counts, whatever comes back; one that never falls has none; one that is broken at once, the start.
    assert critical_sigma(GRID, np.array([1.0, 0.0, 1.0, 0.0])) == pytest.approx(0.005)
    assert critical_sigma(GRID, np.ones(4)) is None and steepest_fall(GRID, np.ones(4)) == 0
    assert critical_sigma(GRID, np.full(4, 0.2)) == 0
    # Exactly a half is not below it.
    assert critical_sigma(GRID, np.array([1.0, 0.5, 0.5, 0.0])) == pytest.approx(0.02)


def test_probability_of_improvement() -> None:
    ours, theirs = np.array([[0.9, 0.5], [0.8, 0.5]]), np.array([[0.7, 0.5], [0.85, 0.5]])
    # First point: 3 of 4 pairs; second: all equal, a half.
    assert probability_of_improvement(ours, theirs) == pytest.approx((0.75 + 0.5) / 2)
    assert probability_of_improvement(ours, ours) == pytest.approx(0.5)
    assert probability_of_improvement(ours + 1, theirs) == 1


def test_a_resampled_episode_keeps_its_outcomes() -> None:
    """Columns are drawn whole: where a table has equal rows, so has every sample."""
    one = (np.random.default_rng(0).random(40) < 0.5) * 1.0
    table = np.stack([np.stack([one] * 4)] * 3)
    sample = resampled(table, np.random.default_rng(1))
    assert sample.shape == table.shape and np.all(sample == sample[:, :1])
    assert sample.mean() != table.mean()


def test_intervals_cover_the_truth() -> None:
    truth = [1.0, 0.8, 0.4, 0.1]
    covered = []
    for seed in range(40):
        found = merits(GRID, tables([truth], 60, seed), resamples=200)
        for name, value in (("area", normalised_area(GRID, np.array(truth))), ("critical", 0.0175)):
            covered.append(found[name]["low"] <= value <= found[name]["high"])
            assert found[name]["low"] <= found[name]["value"] <= found[name]["high"]
    assert np.mean(covered) > 0.85


def test_beyond_the_grid_is_said() -> None:
    found = merits(GRID, np.ones((1, 4, 20)), resamples=50)
    assert found["critical"] == {"value": 0.05, "low": 0.05, "high": 0.05, "beyond": True}


def test_a_gain_and_no_gain() -> None:
    good, bad = [[0.95, 0.9, 0.8, 0.6]] * 3, [[0.95, 0.7, 0.3, 0.1]] * 3
    gain = compared(GRID, tables(good, 100), tables(bad, 100, 1), resamples=300)
    assert gain["area"]["low"] > 0.2 and gain["best_sigma"] in (0.02, 0.05)
    assert gain["clean"]["low"] <= 0 <= gain["clean"]["high"]
    same = compared(GRID, tables(bad, 100), tables(bad, 100, 1), resamples=300)
    assert same["area"]["low"] < 0 < same["area"]["high"]
    assert same["improvement"]["low"] < 0.5 < same["improvement"]["high"]


def test_a_report_holds_what_was_measured_and_is_drawn() -> None:
    data = tables([[1.0, 0.8, 0.4, 0.1]] * 3, 20)
    curve = curve_of(GRID, [run(table, f"seed{k}.zip") for k, table in enumerate(data)])
    assert np.array_equal(tables_of(curve), data)
    assert [point["n"] for point in curve["pooled"]["success"]] == [60] * 4
    assert all(band["method"] == "t" and band["low"] <= band["high"] for band in curve["bands"])
    alone = curve_of(GRID, [run(data[0])])
    text = table_text(GRID, {"policy": curve, "scripted": alone}, "m")
    assert "policy (n = 60)" in text and "success below 50% at" in text
    panel = {"unit": "m", "grid": GRID, "curves": {"policy": curve, "scripted": alone}}
    figure = robustness_figures.curves_figure({f"panel {k}": panel for k in range(4)}, "title")
    assert len(figure.axes) == 4 and len(figure.axes[0].lines) == 1 + 3 + 1 + 1


@pytest.mark.parametrize(
    ("text", "whole", "says"),
    [
        ("", False, "expected numbers"),
        ("0", False, "at least two"),
        ("0,x", False, "expected numbers"),
        ("0,-0.1", False, "not negative"),
        ("0,nan", False, "finite"),
        ("0,inf", False, "finite"),
        ("0,0.2,0.1", False, "rise"),
        ("0,1.5", True, "whole number"),
    ],
)
def test_a_grid_that_is_none(text: str, whole: bool, says: str) -> None:
    with pytest.raises(UserError, match=says):
        read_grid(text, "--grid", whole)
