"""Names with typed arguments as text: there and back, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Literal

import pytest

from common.errors import UserError
from common.registry import (
    Registry,
    Spec,
    fits,
    import_module,
    modules_of,
    read_pairs,
    read_value,
    split_list,
    write_pairs,
    write_value,
)  # fmt: skip

THINGS = Registry("thing")


@THINGS.register("one")
class One:
    """With one argument of each kind."""

    def __init__(self, given: str, f: float = 0.5, i: int = 1, b: bool = False, kind: Literal["x", "y"] = "x"):
        if f < 0:
            raise ValueError("f must not be negative.")
        self.values = given, f, i, b, kind


@THINGS.register("needs")
def needs(given: str, size: int, names: tuple[str, ...] = ()) -> tuple[Any, ...]:
    """With one that has no default."""
    return given, size, names


@THINGS.register("bare")
def bare(given: str) -> str:
    """Without arguments."""
    return given


@pytest.mark.parametrize(
    "value",
    [0.3, -1, 1e-05, True, None, "dense", "a b", "a,b", "true", "1.5", "NaN", 'q"', [1, 2.5], {"a": [True]}, ""],
)
def test_a_value_survives(value: Any) -> None:
    assert read_value(write_value(value)) == value
    assert read_pairs(write_pairs({"key": value}), "x") == {"key": value}
    assert read_pairs(split_list(",".join(write_pairs({"key": value, "more": [value, value]}))), "x")["key"] == value


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1, 2}, [float("nan")], object()])
def test_what_is_no_plain_value_is_refused(value: Any) -> None:
    with pytest.raises(UserError):
        write_value(value)


def test_the_form() -> None:
    assert Spec.read("a", "thing") == Spec(None, "a", {})
    assert Spec.read("a:b=1,c=[1,2],d=x:y", "thing") == Spec(None, "a", {"b": 1, "c": [1, 2], "d": "x:y"})
    assert Spec.read("my.module:a:b=1", "thing") == Spec("my.module", "a", {"b": 1})
    assert modules_of(["m.n:a", "b:c=1", "k:a:b=1", "m.n:d"]) == ["m.n", "k"]
    for wrong in ("", ":", "a:", ":a", "a:b:c", "a:b:c:d=1", "a:=1", "a:b=1,b=2", "a:b=1,", "a:b=1,c", "a:2=3"):
        with pytest.raises(UserError):
            Spec.read(wrong, "thing")


def test_what_means_the_same_is_written_the_same() -> None:
    full = "one:f=0.5,i=1,b=false,kind=x"
    for text in ("one", "one:f=0.50", "one:i=1,f=5e-1", "one:kind=x,b=false", 'one:kind="x"'):
        assert THINGS.canonical(text) == full == THINGS.canonical(full)
    assert THINGS.canonical("one:f=1") == THINGS.canonical("one:f=1.0")
    assert THINGS.canonical("bare") == "bare"
    assert THINGS.build("one:f=2,kind=y", "it").values == ("it", 2, 1, False, "y")
    assert THINGS.build('needs:size=3,names=["a","b"]', "it") == ("it", 3, ["a", "b"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("onee", "unknown thing onee. Did you mean one\\? Known: bare, needs, one."),
        ("one:ff=1", "unknown argument ff. Did you mean f\\?"), ("bare:f=1", "It takes no arguments"),
        ("one:f=high", "f=high: expected float"), ("one:f=true", "f=true: expected float"),
        ("one:f=NaN", "expected float"), ("one:f=1e400", "no finite number|expected float"),
        ("one:i=1.5", "i=1.5: expected int"), ("one:i=true", "expected int"), ("one:b=1", "expected bool"),
        ("one:kind=z", "kind=z"), ("needs", "needs size: needs:size="), ("needs:size=1,names=[1]", "names="),
        ("one:f=-1", "thing one:f=-1: f must not be negative."), ("no_such_module:one", "cannot be imported"),
        ("json:onee", "unknown thing onee in module json"), ("../x:one", "no name of a Python module"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        THINGS.build(text, "it")
    assert "\n" not in str(caught.value)


def test_a_module_registers_what_it_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "fine_module_x.py").write_text("import json\nX = 1\n")
    (tmp_path / "broken_module_x.py").write_text("this is no Python\n")
    import_module("fine_module_x")
    assert sys.modules["fine_module_x"].X == 1
    with pytest.raises(UserError, match="module broken_module_x cannot be imported .SyntaxError: "):
        import_module("broken_module_x")


def test_fits() -> None:
    assert fits(1, float) and fits(None, float | None) and fits([1, 2], tuple[int, ...]) and fits(3, Any)
    assert not fits(True, int) and not fits(1.0, int) and not fits("x", float) and not fits([1, "a"], tuple[int, ...])
    assert not fits(10**400, float)
