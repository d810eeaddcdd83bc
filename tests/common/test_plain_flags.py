"""argparse with one line for a mistake."""

from __future__ import annotations

import pytest

from common.plain_flags import Parser


@pytest.fixture
def parser() -> Parser:
    parser = Parser(prog="x")
    parser.add_argument("--json-out")
    curve = parser.add_subparsers(dest="command").add_parser("curve")
    curve.add_argument("logs", nargs="+")
    curve.add_argument("--x", choices=("steps", "minutes"))
    return parser


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("--jsn-out=a", "error: unrecognized arguments: --jsn-out=a. Did you mean --json-out?"),
        ("--nothing", "error: unrecognized arguments: --nothing."),
        ("crve a", "Did you mean curve?"),
        ("curve a --x minuts", "Did you mean minutes?"),
        ("curve", "error: the following arguments are required: logs."),
        ("--json-out", "error: argument --json-out: expected one argument."),
    ],
)
def test_a_mistake_is_one_line_with_the_closest_name(
    parser: Parser, capsys: pytest.CaptureFixture[str], words: str, line: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(words.split())
    printed = capsys.readouterr()
    assert stop.value.code == 2 and printed.out == ""
    assert line in printed.err and printed.err.count("\n") == 1


def test_what_is_right_is_parsed(parser: Parser) -> None:
    assert vars(parser.parse_args(["curve", "a", "b"])) == {
        "json_out": None, "command": "curve", "logs": ["a", "b"], "x": None
    }  # fmt: skip
