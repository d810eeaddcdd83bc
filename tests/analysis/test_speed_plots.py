"""Figures of speed draw what they are given, every seed of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.metrics import rate
from analysis.plots import save_figure
from analysis.reports import Evaluation
from analysis.speed_plots import curves_figure, parts_figure
from common.errors import UserError


def run(*successes: int) -> list[Evaluation]:
    """An evaluation of 20 episodes each 1,000 steps and half a minute."""
    return [
        Evaluation(steps=1000 * i, updates=100 * i, wall_clock_s=30.0 * i, success_net=rate([True] * n),
                   success=rate([True] * n + [False] * (20 - n)))
        for i, n in enumerate(successes)
    ]  # fmt: skip


def test_parts_are_as_long_as_their_seconds(tmp_path: Path) -> None:
    runs = {"stock": {"simulate": 2.0, "update": 6.0}, "ours": {"simulate": 1.0, "update": 3.0}}
    figure = parts_figure(runs, "Push")
    (axes,) = figure.axes
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0.0, 2.0), (2.0, 6.0), (0.0, 1.0), (1.0, 3.0)]
    texts = {text.get_text() for text in axes.texts}
    assert {"8.0 s", "4.0 s", "6.0"} <= texts
    assert [label.get_text() for label in axes.get_yticklabels()] == ["stock", "ours"]
    save_figure(figure, tmp_path / "parts.png")
    assert (tmp_path / "parts.png").stat().st_size > 5000


def test_every_seed_is_drawn_over_steps_and_over_minutes() -> None:
    figure = curves_figure({"ours": [run(0, 10, 20), run(0, 20)], "stock": [run(0, 1, 2)]}, "Push")
    steps, minutes = figure.axes
    lines = steps.get_lines()[:-1]
    assert [list(line.get_ydata()) for line in lines] == [[0, 50, 100], [0, 100], [0, 5, 10]]
    assert [list(line.get_xdata()) for line in minutes.get_lines()[:-1]][0] == [0, 0.5, 1.0]
    assert len({line.get_color() for line in lines}) == 2
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["ours (2 seeds, to 2,000 steps)", "stock (1 seed, to 2,000 steps)"]
    assert "n = 20 episodes" in figure.get_suptitle()
    assert minutes.get_xlabel() == "training time (minutes)"


def test_a_short_race_is_in_seconds() -> None:
    right = curves_figure({"ours": [run(0, 20)]}, "Reach").axes[1]
    assert right.get_xlabel() == "training time (seconds)"
    assert list(right.get_lines()[0].get_xdata()) == [0, 30.0]


def test_nothing_to_draw_is_said() -> None:
    with pytest.raises(UserError, match="stock has no evaluation"):
        curves_figure({"stock": [[]]}, "Push")
