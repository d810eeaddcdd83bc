"""What the command line says: one line, the nearest word that exists, and the right exit status."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from common.cli import guarded, parse, subcommands
from common.errors import TrainingFailure, UserError


@dataclass(frozen=True)
class Example:
    """An example."""

    kind: Literal["red", "green"]
    """A colour."""
    count: int = 3
    """How many."""
    rate: float | None = None
    """How fast."""
    loud: bool = False
    """How loud."""


def test_typed_flags() -> None:
    found = parse(Example, ["--kind", "red", "--count", "5", "--rate", "1e-3", "--loud"], "x")
    assert found == Example("red", 5, 0.001, True)
    assert parse(Example, ["--kind=green", "--no-loud"], "x") == Example("green")
    # An underscore is a slip that costs nobody anything.
    assert parse(Example, ["--kind", "green"], "x").count == 3


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--kind", "red", "--cuont", "5"], ["--cuont", "Did you mean --count?"]),
        (["--kind", "red", "--counts=5"], ["--counts", "Did you mean --count?"]),
        (["--kind", "rde"], ["rde", "Did you mean red?"]),
        (["--kind", "Green"], ["Did you mean green?"]),
        (["--kind", "red", "--count", "five"], ["five"]),
        (["--kind", "red", "--count", "1.5"], ["1.5"]),
        (["--kind", "red", "--rate", "fast"], ["fast"]),
        (["--kind", "red", "--count"], ["--count"]),
        (["--kind", "red", "surplus"], ["surplus"]),
        (["--kind", "red", "--loud", "maybe"], ["maybe"]),
        (["--kind"], ["--kind"]),
        ([], ["--kind"]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("encoding", ["utf-8", "UTF-8", "ascii", "latin-1"])
def test_a_mistake_is_one_line_in_every_terminal(
    monkeypatch: pytest.MonkeyPatch, argv: list[str], words: list[str], encoding: str
) -> None:
    # tyro draws its boxes by what standard output can show.
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    with pytest.raises(UserError) as caught:
        parse(Example, argv, "x")
    line = str(caught.value)
    assert "\n" not in line and "--help" not in line and "──" not in line and "---" not in line.replace("--", "", 1)
    for word in words:
        assert word in line


def test_help_is_printed_and_ends_well(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        parse(Example, ["--help"], "x")
    assert not stop.value.code
    assert "--count" in capsys.readouterr().out


def raises(error: BaseException) -> Callable[[], Any]:
    def action() -> None:
        raise error

    return action


@pytest.mark.parametrize(
    ("action", "status", "said"),
    [
        (lambda: None, 0, ""), (lambda: 0, 0, ""), (lambda: 7, 7, ""), (lambda: True, 0, ""), (lambda: "text", 0, ""),
        (raises(UserError("wrong flag.")), 2, "error: wrong flag.\n"),
        (raises(TrainingFailure("a NaN")), 1, "failed: a NaN\n"),
        (raises(KeyboardInterrupt()), 130, "interrupted\n"),
    ],
)  # fmt: skip
def test_exit_status(capsys: pytest.CaptureFixture[str], action: Callable[[], Any], status: int, said: str) -> None:
    assert guarded(action) == status
    assert capsys.readouterr().err == said


def test_a_bug_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        guarded(lambda: 1 / 0)


def test_subcommands(capsys: pytest.CaptureFixture[str]) -> None:
    def train(steps: int = 3) -> int:
        """Train."""
        print(f"trained {steps}", file=sys.stderr)
        return 4

    def evaluate() -> None:
        """Evaluate."""
        raise UserError("nothing to evaluate.")

    table = {"train": train, "eval": evaluate}
    assert subcommands(table, "x", argv=["train", "--steps", "9"]) == 4
    # Parsing keeps stderr to itself, the command does not.
    assert capsys.readouterr().err == "trained 9\n"
    assert subcommands(table, "x", argv=["eval"]) == 2
    assert capsys.readouterr().err == "error: nothing to evaluate.\n"
    for argv in (["trian"], ["train", "--step", "2"], []):
        assert subcommands(table, "x", argv=argv) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


@dataclass(frozen=True)
class Reporting:
    """Writes a report."""

    json_out: str | None = None
    """Report to write."""
    overwrite: bool = False
    """Whatever is there."""


def test_an_empty_value_is_a_mistake_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="--json-out is empty"):
        parse(Reporting, ["--json-out", ""], "x")

    def report(json_out: str | None = None) -> int:
        """Report."""
        return 9

    assert subcommands({"report": report, "other": report}, "x", argv=["report", "--json-out="]) == 2
    assert "--json-out is empty" in capsys.readouterr().err
    assert subcommands({"report": report, "other": report}, "x", argv=["report", "--json-out=r.json"]) == 9


def test_a_report_that_would_replace_another_file_is_refused_before_the_work(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(UserError, match="--json-out .*notes.txt exists and is no report"):
        parse(Reporting, ["--json-out", str(path)], "x")
    assert parse(Reporting, ["--json-out", str(path), "--overwrite"], "x").overwrite
    path.write_text('{"schema_version": 1, "kind": "data"}')
    assert parse(Reporting, ["--json-out", str(path)], "x").json_out == str(path)


@pytest.mark.parametrize("columns", ["1", "3", "10", "39"])
def test_help_ends_on_the_narrowest_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert guarded(lambda: parse(Example, ["--help"], "x")) == 0
    assert 10 < len(capsys.readouterr().out.splitlines()) < 60


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(24, "Too many open files"), "raise the limit (ulimit -n)"),
        (OSError(28, "No space left on device", "a.bin"), "a.bin: No space left on device"),
        (ImportError("libx.so: cannot open shared object file: Too many open files"), "raise the limit"),
        (MemoryError(), "not enough memory"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"), "memory"),
    ],
)  # fmt: skip
def test_what_the_machine_refuses_is_one_line(capsys: pytest.CaptureFixture[str], error: Exception, words: str) -> None:
    assert guarded(raises(error)) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: ") and words in said and said.count("\n") == 1


def test_an_error_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(raises(UserError("trained on \x1b]0;owned\x07\x1b[2J"))) == 2
    assert capsys.readouterr().err == "error: trained on \\x1b]0;owned\\x07\\x1b[2J\n"
