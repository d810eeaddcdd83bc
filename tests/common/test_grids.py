"""Grids as they are typed, and every way to mistype one."""

from __future__ import annotations

import pytest

from common.errors import UserError
from common.grids import parse_grid


def test_numbers_in_their_order() -> None:
    assert parse_grid("0.25, 1,2", "--factors", low=0) == [0.25, 1.0, 2.0]
    steps = parse_grid("3,0", "--steps", low=0, whole=True)
    assert steps == [3, 0] and all(isinstance(step, int) for step in steps)


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "'' is none"), ("1,,2", "'' is none"), ("0.5,nan", "nan is none"),
     ("inf", "inf is none"), ("-1", "-1 is none"), ("0", "0 is none"), ("3", "3 is none"),
     ("a", "'a' is none"), ("1,1.0", "given twice"),
     (",".join(["1"] * 2000), "2000 values")],
)  # fmt: skip
def test_mistakes_are_one_line(text: str, says: str) -> None:
    with pytest.raises(UserError, match=says) as error:
        parse_grid(text, "--alphas", low=0, high=2, above=True)
    assert "\n" not in str(error.value) and "--alphas" in str(error.value)


def test_a_count_has_no_fraction() -> None:
    with pytest.raises(UserError, match=r"whole numbers from 0 to 49, separated by commas; '1.5' is none"):
        parse_grid("0,1.5", "--steps", low=0, high=49, whole=True)
