"""Self-checking exercises: what counts as unfilled, equal, wrong; and what a reader is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from common.exercises import Case, check, predict, recorded, same, unfilled


def half(x: float) -> float:
    """Right."""
    return x / 2


def alone(x: float) -> float:
    """Not filled in."""
    ...


def assigned(x: float) -> float:
    """Filled in up to one line."""
    y = ...
    return x * y


def indexed(x: np.ndarray) -> np.ndarray:
    """Uses the dots as NumPy does."""
    return x[..., 0]


def broken(x: float) -> float:
    """Raises."""
    return x.missing


CASES = [Case("of two", (2.0,), 1.0, "halves"), Case("of four", (4.0,), 2.0, "still halves")]


@pytest.mark.parametrize(("function", "expected"), [(alone, True), (assigned, True), (half, False), (indexed, False)])
def test_unfilled(function, expected: bool) -> None:
    assert unfilled(function) is expected


@pytest.mark.parametrize(
    ("got", "expected", "equal"),
    [
        (1, 1.0000001, True), (1.0, 1.1, False), (np.float32(1), 1, True), ([1], 1, True),
        (np.ones(3), [1, 1, 1], True), (np.ones(3), np.ones((3, 1)), False), (np.ones(3), 1.0, False),
        (torch.ones(2, requires_grad=True), [1, 1], True), (np.bool_(True), True, True), (None, 0.0, False),
        ("a", "a", True), ("a", 1.0, False), (None, "None", False), (1, "1", False),
        ((1, np.ones(2)), (1, [1, 1]), True), ((1, 2, 3), (1, 2), False),
        ({"a": 1}, {"a": 1}, True), ({"a": 1}, {"b": 1}, False), (math.nan, math.nan, False), ({"a": 1}, 1.0, False),
    ],
)  # fmt: skip
def test_same(got, expected, equal: bool) -> None:
    assert same(got, expected) is equal


def test_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(half, lambda: CASES) == 0
    assert capsys.readouterr().out.splitlines() == ["ok    of two", "ok    of four", "right: half passes all 2 cases."]


def test_wrong_says_got_expected_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(half, lambda: [*CASES, Case("of six", (6.0,), 4.0, "because of this")]) == 1
    printed = " ".join(capsys.readouterr().out.split())
    assert "WRONG of six got 3 expected 4 why because of this not yet: 2 cases are right" in printed


def test_an_exception_is_one_line_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(broken, lambda: CASES) == 1
    (line,) = capsys.readouterr().out.splitlines()
    number = broken.__code__.co_firstlineno + 2
    assert "AttributeError" in line and f"tests/common/test_exercises.py, line {number} (return x.missing)" in line


def test_arguments_are_copies_and_results_can_be_turned() -> None:
    def spoil(x: np.ndarray) -> np.ndarray:
        x += 1
        return x

    data = np.zeros(2)
    assert check(spoil, lambda: [Case(str(i), (data,), 2.0, "", of=lambda x: x.sum()) for i in range(2)]) == 0
    assert (data == 0).all()


def test_cases_wait_for_the_stub(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(alone, lambda: pytest.fail("asked for")) == 1
    assert "not filled in yet: edit tests/common/test_exercises.py, function alone" in capsys.readouterr().out


def test_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    def ask(*words: str) -> int:
        return predict("How many?", lambda: 0.5, lambda mine, truth: f"{mine} and {truth}", 0.1, argv=words)

    assert [ask(), ask("0.55"), ask("0.7"), ask("0.3"), ask("many"), ask("nan"), ask("1", "2")] == [1, 0, 1, 1, 2, 2, 2]
    streams = capsys.readouterr()
    assert "measured: 0.50; your 0.55 is 0.05 away, close enough.\n0.55 and 0.5" in streams.out
    assert "more than 0.10" in streams.out and streams.err.count("expected one number") == 3


def test_recorded_reads_a_report() -> None:
    assert recorded("results/recipes/ppo_FetchReachDense-v4.json", "data.seeds.0.steps_to_95") >= 800
