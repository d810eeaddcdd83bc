"""Steps in a row: which failure stops them, with which status, and what is kept of each."""

from __future__ import annotations

from typing import Any

import pytest

from common.errors import TrainingFailure, UserError
from common.steps import Skipped, one_line, run_steps


def raises(error: BaseException) -> Any:
    def step() -> None:
        raise error

    return step


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (raises(UserError("no")), 2),
        (raises(TrainingFailure("no")), 1),
        (raises(KeyboardInterrupt()), 130),
        (lambda: 7, 7),
        (one_line(raises(AssertionError())), 1),
    ],
)
def test_the_first_failure_ends_the_steps_with_its_status(broken: Any, status: int) -> None:
    ran = []
    steps = {"first": lambda: {"n": 3}, "broken": broken, "last": lambda: ran.append("last")}
    result, outcomes = run_steps(steps)
    assert result == status and not ran
    assert list(outcomes) == ["first", "broken"]
    assert outcomes["first"]["outcome"] == "ok" and outcomes["first"]["facts"] == {"n": 3}
    assert outcomes["broken"]["outcome"] == "failed" and outcomes["broken"]["status"] == status


def test_a_skipped_step_is_said_and_the_next_one_runs(capsys: pytest.CaptureFixture[str]) -> None:
    status, outcomes = run_steps({"pictures": raises(Skipped("no EGL")), "training": lambda: None})
    assert status == 0
    assert [row["outcome"] for row in outcomes.values()] == ["skipped", "ok"]
    assert "skipped: no EGL" in capsys.readouterr().err


def test_an_unforeseen_error_is_one_line_with_its_place_and_advice() -> None:
    with pytest.raises(TrainingFailure, match=r"^ZeroDivisionError: .+ \(test_steps\.py:\d+\)\. Ask the doctor\.$"):
        one_line(lambda: 1 / 0, "Ask the doctor.")()


def test_errors_that_speak_for_themselves_are_left_alone() -> None:
    with pytest.raises(UserError, match="^typed wrongly$"):
        one_line(raises(UserError("typed wrongly")), "Ask the doctor.")()
