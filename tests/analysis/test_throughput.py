"""The sweep over environments and updates: whole rounds, and the summary of several seeds."""

from __future__ import annotations

import pytest

from analysis.throughput import points, rounds, sweep_figure, table
from common.errors import UserError


def row(seed: int, n_envs: int, speed: float, crossed: int | None) -> dict:
    return {
        "n_envs": n_envs, "updates_per_step": 0.5, "steps_per_second": speed, "updates_per_second": speed / 2,
        "seed": seed, "steps_to_95": crossed, "minutes_to_95": None if crossed is None else crossed / speed / 60,
    }  # fmt: skip


ROWS = [row(0, 4, 200.0, 2000), row(1, 4, 400.0, 1600), row(2, 4, 300.0, None), row(0, 8, 500.0, None)]


def test_a_round_is_a_whole_number_of_updates() -> None:
    assert rounds(8, 0.25) == 2 and rounds(4, 1.0) == 4
    for n_envs, ratio in ((4, 0.3), (2, 0.25), (4, -1.0), (8, 0.0)):
        with pytest.raises(UserError, match="whole number above 0"):
            rounds(n_envs, ratio)


def test_a_point_is_the_fastest_run_and_the_median_seed() -> None:
    four, eight = points(ROWS)
    assert four["steps_per_second"] == 400 and four["steps_to_95"] == 2000 and four["crossed"] == 2
    assert four["seconds_to_95"] == pytest.approx(10.0) and four["seeds"] == 3
    assert eight["steps_to_95"] is None and eight["seconds_to_95"] is None
    assert table(ROWS).splitlines()[-1] == "| 8 | 0.5 | 1 | 500 | 250 | not reached |  |"


def test_the_figure_leaves_out_what_was_not_reached() -> None:
    figure = sweep_figure(ROWS)
    assert [len(axes.lines[0].get_xdata()) for axes in figure.axes] == [2, 2, 1, 1]
