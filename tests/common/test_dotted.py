"""Dotted paths into JSON values."""

from __future__ import annotations

from typing import Any

import pytest

from common.dotted import look_up

VALUE = {"data": {"seeds": [{"rate": 0.5}, {"rate": 0.75}, {"rate": 1.0}], "with spaces": {"n": 7}, "10": "a key"}}


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("data.seeds.1.rate", 0.75),
        ("data.1.n", 7),
        ("data.10", "a key"),
        ("data.seeds.1:", VALUE["data"]["seeds"][1:]),
        ("data.seeds.0:2.1.rate", 0.75),
    ],
)
def test_paths(path: str, found: Any) -> None:
    assert look_up(VALUE, path) == found


@pytest.mark.parametrize(
    ("path", "error"),
    [
        ("data.seed", KeyError),
        ("data.seeds.3", IndexError),
        ("data.seeds.first", ValueError),
        ("data.seeds.0.rate.x", TypeError),
    ],
)
def test_what_is_not_there(path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        look_up(VALUE, path)
