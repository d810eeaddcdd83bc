"""Settings in one place: one line makes a flag with help, a default, a check, and something that recipes may set."""

from __future__ import annotations

import typing
from dataclasses import dataclass, fields

import pytest

from agents.settings import ALGORITHMS, BACKENDS, Backend, FastSettings, SacSettings, passed_on, settings_of
from common.cli import parse
from common.errors import UserError
from common.knobs import ABOVE_0, SHARE, accepts, another_default, check, defaults, knob, names
from configs.train_config import READERS, TrainConfig


@dataclass(frozen=True)
class Base:
    share: float = knob(0.5, "A share.", SHARE)
    count: int = knob(3, "A number.", ABOVE_0)


@dataclass(frozen=True)
class Left(Base):
    share: float = another_default(Base, "share", 0.25)
    own: float | typing.Literal["auto"] = knob("auto", "What only left has.", passed_on=False)


@dataclass(frozen=True)
class Right(Base):
    own: bool = knob(False, "Another thing of the same name.")


@dataclass(frozen=True)
@accepts({"left": (Left,), "right": (Right,)}, everyone=("left", "right"))
class Config:
    """A command line."""

    name: str
    """Given by hand."""


def test_a_knob_becomes_an_optional_flag_of_its_type() -> None:
    assert [field.name for field in fields(Config)] == ["name", "share", "count", "own"]
    assert parse(Config, ["--name", "x"], prog="p") == Config("x", share=None, count=None, own=None)
    given = parse(Config, ["--name", "x", "--share", "0.1", "--count", "4", "--own", "auto"], prog="p")
    assert given == Config("x", share=0.1, count=4, own="auto")
    with pytest.raises(UserError, match="count"):
        parse(Config, ["--name", "x", "--count", "many"], prog="p")


def test_help_says_what_it_means_and_who_reads_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(Config, ["--help"], prog="p")
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "A share. (default" in text, "all read it"
    assert "What only left has (left). Another thing of the same name (right)." in text
    assert "Given by hand." in text


def test_defaults_and_rules_of_the_class_that_reads_it() -> None:
    assert defaults(Left) == {"share": 0.25, "count": 3, "own": "auto"}
    assert defaults(Left, Right)["own"] is False and names(Left, Right) == ("share", "count", "own")
    check(0.3, "share", Left)
    for value, message in ((1.5, "between 0 and 1"), (-1, "between 0 and 1"), (float("nan"), "finite")):
        with pytest.raises(UserError, match=message):
            check(value, "share", Left)


def test_train_py_has_a_flag_for_every_knob() -> None:
    known = {field.name for field in fields(TrainConfig)}
    for classes in READERS.values():
        assert set(names(*classes)) <= known


def test_stock_constructors_take_what_is_passed_on() -> None:
    import inspect

    from agents.build import ALGORITHMS as STOCK

    assert STOCK.keys() == ALGORITHMS.keys()
    for algo, cls in STOCK.items():
        assert set(passed_on(algo)) <= set(inspect.signature(cls).parameters)


def test_every_default_can_be_used() -> None:
    for algo, settings in ALGORITHMS.items():
        for classes in ((settings,), settings_of(algo, False, next(iter(BACKENDS))) if algo != "ppo" else (settings,)):
            for key, value in defaults(*classes).items():
                check(value, key, *classes)
    assert defaults(SacSettings, FastSettings)["kernel"] == "auto"


def test_a_backend_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    from configs.recipes import resolve

    @dataclass(frozen=True)
    class Mine:
        knobs: int = knob(7, "How many.", ABOVE_0)

    monkeypatch.setitem(BACKENDS, "mine", Backend(("sac",), (Mine,), "tests.nowhere:build"))
    assert defaults(*settings_of("sac", False, "mine"))["knobs"] == 7
    with pytest.raises(UserError, match="--backend mine learns with sac; td3 runs on --backend fast"):
        resolve(TrainConfig(algo="td3", env="FetchReach-v4", backend="mine"))
