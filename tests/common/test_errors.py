"""A user's mistake: what hint it gets, and what it is caught as."""

from __future__ import annotations

import pytest

from common.errors import TrainingFailure, UserError, closest, printable

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


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("--bogus", ["--out", "--env", "--seed"]), ("nope.zip", ["twin_b.zip", "ok.zip"]), ("nothing-v4", ENVS),
        ("--x", ["--y"]), ("zz.json", ["aa.json"]),
    ],
)  # fmt: skip
def test_dashes_suffixes_and_versions_make_nothing_near(typed: str, known: list[str]) -> None:
    assert closest(typed, known) == ""


def test_of_two_versions_the_nearer_one() -> None:
    assert closest("Humanoid-v5", ["Humanoid-v4", "Humanoid-v5x", "Humanoids-v5"]) == " Did you mean Humanoid-v4?"
    assert closest("--gama", ["--gamma", "--tau"]) == " Did you mean --gamma?"


def test_printable_text_cannot_steer_a_terminal() -> None:
    assert printable("a\x1b[31mred\x07\nnext\x9b2J") == "a\\x1b[31mred\\x07\\nnext\\x9b2J"
    assert printable("right\u202eleft") == "right\\u202eleft"
    assert printable("Größe ± 1") == "Größe ± 1"
    # A file name that is no UTF-8 reaches us with surrogates, which no stream can print.
    printable("\udcff").encode()
    assert len(printable("x" * 5000)) < 1000
