"""The dashboard: a panel for each quantity, a cross where a rule first spoke; and the surrogate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from analysis import early_warning as ew
from analysis.ppo_plots import PANELS, dashboard_figure, main, ranges, runs_in, surrogate_figure

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "results/recipes/ppo_FetchReachDense-v4/seed0_metrics.jsonl"


def test_a_cross_stands_where_a_rule_first_spoke() -> None:
    common = {ew.STD: 1.0, ew.POLICY_LOSS: -0.01}
    rows = [common | {"steps": 800.0 * i, ew.KL: kl} for i, kl in enumerate((0.01, 2.0, 3.0), 1)]
    figure = dashboard_figure({"healthy": [rows[:1]], "no_clipping": [rows]})
    assert len(figure.axes) == len(PANELS) == 10
    crosses = {axis.get_title(): [line for line in axis.lines if line.get_marker() == "X"] for axis in figure.axes}
    ((cross,),) = [lines for lines in crosses.values() if lines]
    assert crosses["approximate KL"] == [cross]
    assert (cross.get_xdata(), cross.get_ydata()) == ([1600.0], [2.0])


def test_every_rule_is_drawn_in_a_panel() -> None:
    drawn = {rule for *_, rules in PANELS for rule in rules}
    assert drawn == {rule.__name__ for rule in ew.RULES}


def test_a_number_off_the_scale_stops_at_the_edge() -> None:
    figure = dashboard_figure({"a": [[{"steps": 800.0, ew.LOSS: 1e9}]]})
    (line,) = figure.axes[0].lines
    assert line.get_ydata()[0] == figure.axes[0].get_ylim()[1]


def test_the_surrogate_is_flat_where_the_ratio_has_gone_far_enough() -> None:
    for axis, flat in zip(surrogate_figure().axes, (lambda r: r > 1.21, lambda r: r < 0.79), strict=True):
        ratio, clipped = next(line.get_data() for line in axis.lines if line.get_label().startswith("min"))
        slope = np.diff(clipped) / np.diff(ratio)
        assert np.allclose(slope[flat(ratio[:-1])], 0) and np.allclose(abs(slope[~flat(ratio[:-1])][2:-4]), 1)


def test_ranges_and_runs_of_a_folder(tmp_path: Path) -> None:
    for name in ("a_b_seed0", "a_b_seed1", "c_seed0"):
        (tmp_path / f"{name}.metrics.jsonl").write_bytes(LOG.read_bytes())
    runs = runs_in(tmp_path)
    assert {name: len(seeds) for name, seeds in runs.items()} == {"a_b": 2, "c": 1}
    found = ranges(runs["a_b"])
    losses = [row[ew.LOSS] for row in runs["c"][0]]
    assert found[ew.LOSS] == {"low": min(losses), "high": max(losses), "first": losses[0], "last": losses[-1]}
    assert found[ew.POLICY_LOSS]["low"] >= 0 and ew.DEAD not in found
    assert runs_in(tmp_path / "nothing") == {}


def test_the_command_draws_a_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(LOG), "--out", str(tmp_path / "d.png")]) == 0
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    assert main([str(tmp_path / "no.jsonl"), "--out", str(tmp_path / "e.png")]) == 2
    assert "does not exist" in capsys.readouterr().err
