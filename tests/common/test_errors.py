"""A user's mistake: what hint it gets, and what it is caught as."""

from __future__ import annotations

import pytest

from common.errors import TrainingFailure, UserError, closest

ENVS = ["FetchReach-v4", "FetchPush-v4", "FetchSlide-v4", "FetchPickAndPlace-v4"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("FetchReach-v3", "FetchReach-v4"),
        ("fetchpush-v4", "FetchPush-v4"),
        ("FETCHPUSH-V4", "FetchPush-v4"),
        ("FetchPickPlace-v4", "FetchPickAndPlace-v4"),
    ],
)
def test_closest_finds_what_was_meant(typed: str, meant: str) -> None:
    assert closest(typed, ENVS) == f" Did you mean {meant}?"


@pytest.mark.parametrize("typed", ["", "zzz", "0000000000000"])
def test_closest_says_nothing_where_nothing_is_near(typed: str) -> None:
    assert closest(typed, ENVS) == ""
    assert closest("FetchReach-v4", []) == ""


def test_closest_takes_any_iterable_once() -> None:
    assert closest("gama", (name for name in ["tau", "gamma"])) == " Did you mean gamma?"


def test_a_failed_training_is_no_mistake_of_the_user() -> None:
    # The exit statuses are 2 and 1: one must never be caught as the other.
    assert not issubclass(TrainingFailure, UserError)
    assert not issubclass(UserError, TrainingFailure)
