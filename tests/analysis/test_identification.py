"""Fisher information of small linear problems, and what is printed and drawn of an identification."""

from __future__ import annotations

import math

import numpy as np
import pytest

from analysis.identification import IDENTIFIABLE_STD, identifiability, parameter_error, sysid_figure, table_text


def test_independent_columns_give_one_over_their_length() -> None:
    jacobian = np.array([[100.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    found = identifiability(jacobian, ("a", "b"))
    assert found["parameters"]["a"]["std"] == pytest.approx(0.01) and found["parameters"]["a"]["identifiable"]
    assert found["parameters"]["b"]["std"] == pytest.approx(0.5) and not found["parameters"]["b"]["identifiable"]
    assert found["correlation"]["a and b"] == pytest.approx(0) and found["condition"] == pytest.approx(2500)
    assert found["parameters"]["a"]["sensitivity"] == pytest.approx(0.01 * 100 / math.sqrt(3))


def test_a_parameter_that_nothing_depends_on_has_no_error_bound() -> None:
    found = identifiability(np.array([[1.0, 0.0], [1.0, 0.0]]), ("seen", "unseen"))
    assert found["parameters"]["unseen"] == {"sensitivity": 0.0, "std": None, "identifiable": False}
    assert found["parameters"]["seen"]["std"] == pytest.approx(math.sqrt(0.5))
    assert identifiability(np.zeros((3, 2)), ("a", "b"))["parameters"]["a"]["std"] is None


def test_two_that_do_almost_the_same_are_told_by_their_correlation() -> None:
    rng = np.random.default_rng(0)
    one = rng.normal(size=400)
    found = identifiability(np.stack([one, one + 0.05 * rng.normal(size=400)], axis=1), ("gain", "lag"))
    assert found["correlation"]["gain and lag"] < -0.99 and found["condition"] > 100
    assert found["parameters"]["gain"]["std"] > 10 / math.sqrt(400)


def test_of_two_that_do_the_same_neither_is_known() -> None:
    column = np.array([1.0, 2.0, 3.0])
    found = identifiability(np.stack([column, 2 * column, [1.0, 0.0, 0.0]], axis=1), ("gain", "lag", "other"))
    assert [row["std"] is None for row in found["parameters"].values()] == [True, True, False]


def test_a_small_derivative_beside_a_large_one_is_a_large_error_and_not_none() -> None:
    found = identifiability(np.diag([1e6, 1e-4]), ("large", "small"))
    assert found["parameters"]["small"]["std"] == pytest.approx(1e4)
    assert found["parameters"]["large"]["std"] == pytest.approx(1e-6)


def test_the_bound_is_what_least_squares_reaches() -> None:
    """Repeated fits of a linear model scatter as F⁻¹ says."""
    rng = np.random.default_rng(1)
    jacobian = rng.normal(size=(50, 2))
    fits = [np.linalg.lstsq(jacobian, rng.normal(size=50), rcond=None)[0] for _ in range(2000)]
    for name, spread in zip("ab", np.std(fits, axis=0), strict=True):
        assert identifiability(jacobian, "ab")["parameters"][name]["std"] == pytest.approx(spread, rel=0.1)


def row(logs: int, off: float) -> dict:
    """A row of a rehearsal whose parameters are wrong by the factor `off`."""
    parameter = {"true": 1.5, "found": 1.5 * off, "low": 1.4, "high": 1.7, "std": 0.01, "identifiable": True}
    validation = {"nominal": 0.05, "identified": 0.05 * (off - 1), "true": 0.001}
    return {"logs": logs, "parameters": {"mass": parameter}, "delay": {"true": 1.0, "found": 1.0},
            "validation": {"gripper": validation, "object": validation}}  # fmt: skip


def test_what_is_printed_and_drawn() -> None:
    text = table_text(row(4, 1.1))
    assert "1.500   1.650  1.400 to 1.700" in text and "yes (1%)" in text
    figure = sysid_figure([row(1, 1.4), row(2, 1.1)])
    left, right = figure.axes
    assert left.get_lines()[0].get_ydata() == pytest.approx([40, 10])
    assert [line.get_label() for line in right.get_lines()][0] == "gripper, identified"
    assert parameter_error({"a": math.e}, {"a": 1.0}) == pytest.approx(1.0) and IDENTIFIABLE_STD < 1
