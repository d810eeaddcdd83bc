"""The stress test's points, what each holds, and which failures are filmed."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.stress import FACTORS, NOMINAL, OWN, TOGETHER, commonest, examined, gallery, options, points, stress_text
from analysis.stress_figures import stress_figure
from common.errors import UserError
from tests.analysis.test_failures import CASES


def test_points_move_one_factor_at_a_time_and_all_of_them_at_the_end() -> None:
    found = points()
    assert list(found)[0] == NOMINAL and found[NOMINAL] == {} and found["together"] == TOGETHER
    alone = {name: change for name, change in found.items() if name not in (NOMINAL, "together")}
    assert all(len(change) == 1 for change in alone.values()) and len(alone) == sum(map(len, FACTORS.values()))
    assert all(OWN[name] not in values for name, values in FACTORS.items())
    assert options({"object_mass": 4.0, "goal_range": 0.25}) == ("object_mass=4", "goal_range=0.25")
    assert list(points(["object_mass"], 2)) == [NOMINAL, "object_mass=4"]
    with pytest.raises(UserError, match="mean object_size"):
        points(["object_siz"])


def test_a_point_counts_strata_and_failures_of_the_same_episodes() -> None:
    traces = [trace for _, trace in CASES]
    point = examined(traces)
    assert point["n"] == len(traces) == point["success"]["air"]["n"] + point["success"]["table"]["n"]
    failed = sum(sum(kinds.values()) for kinds in point["failures"].values())
    assert failed == len(point["failed"]) == point["n"] - point["success"]["all"]["successes"]
    assert commonest(point).count(",") == len(point["failed"]) - 1
    assert "missed grasp 1" in stress_text({NOMINAL: point})


def test_the_gallery_takes_kinds_in_turn_and_points_in_turn() -> None:
    def failed(*episodes: tuple[int, str]) -> dict[str, Any]:
        return {"failed": [{"seed": seed, "kind": kind} for seed, kind in episodes]}

    found = {
        "a": failed((1, "dropped"), (2, "dropped"), (3, "short")),
        "b": failed((7, "dropped"), (8, "missed grasp")),
    }
    assert gallery(found, 4) == [
        ("b", 8, "missed grasp"), ("a", 1, "dropped"), ("a", 3, "short"), ("b", 7, "dropped"),
    ]  # fmt: skip
    assert len(gallery(found)) == 5 and gallery({"a": failed()}) == []


def test_the_figure_leaves_out_what_was_not_run() -> None:
    point = examined([trace for _, trace in CASES])
    figure = stress_figure([{NOMINAL: point, "object_mass=4": point}])
    panel = figure.axes[list(FACTORS).index("object_mass")]
    assert [list(line.get_xdata()) for line in panel.lines[:2]] == [[1.0, 4.0], [1.0, 4.0]]
    assert figure.axes[0].lines[0].get_ydata()[0] == pytest.approx(100 * point["success"]["air"]["rate"])
