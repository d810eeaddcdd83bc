"""The metrics of a controller on episodes that can be worked out by hand, and the intervals of pairs."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.control import FLAGS, METRICS, control_row, overshoot, reversals, settling_time, summarise
from analysis.control_figures import sweep_figure
from analysis.control_tables import bundle_text, differences_text, sweep_text
from analysis.metrics import Trace
from analysis.paired import paired_means, paired_rates, paired_rows
from analysis.stats import wilson


def trace(x: list[float], actions: list[float], forces: list[float] | None = None, seed: int = 0) -> Trace:
    """An episode along the x axis, towards a goal at 0.1 m; success within 5 cm."""
    achieved = np.stack([[each, 0.0, 0.0] for each in x])
    goal, applied = np.array([0.1, 0.0, 0.0]), np.stack([[each, 0.0, 0.0, 1.0] for each in actions])
    near = np.linalg.norm(achieved[1:] - goal, axis=1) < 0.05
    return Trace(seed, achieved, goal, achieved, -(~near).astype(float), near, applied, 2 * applied, 0.05,
                 None if forces is None else np.array(forces))  # fmt: skip


def test_an_episode_by_hand() -> None:
    """Beyond the goal by 3 cm, back out of the 5 cm on the near side, and in again."""
    row = control_row(trace([0, 0.06, 0.13, 0.04, 0.09], [1.0, 0.5, -1.0, 0.5], [0.0, 2.0, 4.0, 0.0]))
    assert row.keys() == {*FLAGS, *METRICS}
    assert row["success"] and not row["held"] and row["time_to_success"] == 1 and row["settling_time"] == 4
    assert row["overshoot"] == pytest.approx(0.03)
    assert row["steady_state_error"] == pytest.approx(np.mean([0.1, 0.04, 0.03, 0.06, 0.01]))
    assert row["path_length"] == pytest.approx(0.06 + 0.07 + 0.09 + 0.05)
    assert row["smoothness"] == row["arm_smoothness"] == 0.25 + 2.25 + 2.25
    assert row["policy_smoothness"] == 4 * row["smoothness"]
    assert (row["reversals"], row["saturated"], row["energy"], row["peak_action"]) == (2, 0.5, 2.5, 1.0)
    assert (row["touches"], row["force"], row["force_peak"]) == (1, 3.0, 4.0)


def test_what_does_not_exist_is_none() -> None:
    never = control_row(trace([0, 0.01, 0.01], [0.1, 0.0]))
    assert never["time_to_success"] is never["settling_time"] is never["touches"] is never["force"] is None
    untouched = control_row(trace([0, 0.01, 0.01], [0.1, 0.0], [0.0, 0.0]))
    assert (untouched["touches"], untouched["force"], untouched["force_peak"]) == (0, None, 0.0)


def test_parts() -> None:
    assert settling_time(np.array([0.01, 0.02]), 0.05) == 0
    assert settling_time(np.array([0.01, 0.06, 0.02]), 0.05) == 2
    assert settling_time(np.array([0.01, 0.05]), 0.05) is None
    # Sideways is no overshoot; an episode that begins on the goal has no direction.
    assert overshoot(np.array([[0.0, 0, 0], [0.1, 0.2, 0]]), np.array([0.1, 0, 0])) == 0
    assert overshoot(np.zeros((3, 3)), np.zeros(3)) == 0
    assert reversals(np.array([[1.0, 0, 0], [0, 1, 0], [-0.1, -1, 0]])) == 1


def test_summary_counts_what_there_is() -> None:
    two = ([0, 0.06, 0.08], [1.0, 1.0]), ([0, 0.01, 0.01], [0.0, 0.0])
    rows = [control_row(trace(x, [0.1, 0.2], forces)) for x, forces in two]
    found = summarise(rows)
    assert (found["success"]["successes"], found["success"]["n"], found["success_net"]["n"]) == (1, 2, 2)
    assert [found["time_to_success"][key] for key in ("n", "mean", "low")] == [1, 1, None]
    assert found["force"]["n"] == 1 and found["touches"]["mean"] == 0.5
    assert found["energy"]["low"] <= found["energy"]["mean"] <= found["energy"]["high"]


def test_pairs_tighten_and_never_become_a_point() -> None:
    """Where the same episodes fail for both, the difference is known better than Newcombe's unpaired interval says."""
    a = [True] * 90 + [False] * 10
    same = paired_rates(a, a)
    assert same["difference"] == 0 and -0.04 < same["low"] < 0 < same["high"] < 0.04
    other = paired_rates(a, a[::-1])
    assert (other["only_a"], other["only_b"], other["p_value"]) == (10, 10, 1.0)
    assert other["high"] > same["high"] + 0.03
    all_ = paired_rates([True] * 50, [True] * 50)
    assert all_["high"] == pytest.approx(1 - wilson(50, 50)[0]) and all_["low"] == -all_["high"]
    assert paired_rates([False] * 5, [True] * 5)["low"] >= -1
    with pytest.raises(ValueError, match="same episodes"):
        paired_rates([True], [])


def test_the_interval_of_pairs_covers() -> None:
    """500 experiments of 60 pairs with a known difference of 0.1: the interval holds it about 95 times of 100."""
    rng, held = np.random.default_rng(1), 0
    for _ in range(500):
        hard = rng.random(60) < 0.15
        a, b = ~hard | (rng.random(60) < 0.2), ~hard & (rng.random(60) < 0.9) | hard & (rng.random(60) < 0.3)
        truth = (0.85 + 0.15 * 0.2) - (0.85 * 0.9 + 0.15 * 0.3)
        found = paired_rates(list(map(bool, a)), list(map(bool, b)))
        held += found["low"] <= truth <= found["high"]
    assert 465 <= held <= 494


def test_means_of_pairs() -> None:
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 10, 80)
    found = paired_means(list(hard + 1 + rng.normal(0, 0.1, 80)), [*hard[:-1], None])
    assert found["n"] == 79 and 0.9 < found["low"] < found["mean"] < found["high"] < 1.1
    assert paired_means([None], [1.0])["mean"] is None
    with pytest.raises(ValueError, match="same seeds"):
        paired_rows([{"seed": 1}], [{"seed": 2}], [], [])


def test_tables_and_figure_show_a_task_without_an_object() -> None:
    rows = [{"agent": agent, "value": value, **summarise([control_row(trace([0, 0.06, 0.08], [0.1, 0.2]))] * 2)}
            for agent in ("policy", "scripted") for value in (0.5, 1.0)]  # fmt: skip
    assert sweep_text("Reach", "scaling", rows).count("2 of 2 = 100.0%") == 4
    assert "–" in bundle_text("Reach", {"policy": rows[0]})
    each = [{"seed": 0, **control_row(trace([0, 0.06, 0.08], [0.1, 0.2]))}]
    text = differences_text("Reach", paired_rows(each, each, FLAGS[:2], list(METRICS)))
    assert "+0.0 points" in text and "energy" in text and "force" not in text
    assert len(sweep_figure("scaling", 1, {"Reach": rows, "Push": rows}).axes) == 8


def test_a_time_that_few_episodes_have_is_not_drawn() -> None:
    solved, never = (
        control_row(trace([0, *middle, end], [0.1, 0.2])) for middle, end in (([0.06], 0.08), ([0.2], 0.3))
    )
    rows = [{"agent": "policy", "value": value, **summarise([solved] * n + [never] * (200 - n))}
            for value, n in ((1.0, 200), (0.5, 30), (0.2, 29))]  # fmt: skip
    success, time, *_ = sweep_figure("scaling", 1, {"Reach": rows}).axes
    drawn = [[line for line in axes.lines if line.get_label() == "policy"][0] for axes in (success, time)]
    assert [list(line.get_xdata()) for line in drawn] == [[0.2, 0.5, 1.0], [0.5, 1.0]]
    assert "of those ever solved" in time.get_ylabel()
