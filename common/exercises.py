"""Exercises that check themselves: a stub to fill in, or a number to predict before it is looked up.

A script `scripts/exercises/chNN_k.py` is an exercise. To implement something:

    def returns(rewards, gamma):
        \"""What to compute, with shapes.\"""
        ...

    def cases():
        yield Case("three rewards of 1", ([1, 1, 1], 0.5), [1.75, 1.5, 1.0], "G_t = r_t + gamma * G_(t+1)")

    if __name__ == "__main__":
        sys.exit(check(returns, cases))

and to predict something: `sys.exit(predict(question, measured, explain, tolerance))`, with the number on the command
line. Exit status 0: right; 1: wrong, or not filled in yet; 2: the command line is not a number. No tracebacks.

The solution stands in the chapter's page, inside `<details>`, as a `python` block that defines the same function;
`tests/exercises/test_exercises.py` puts it into the stub and runs it, and so it runs the wrong answers that
`tests/exercises/wrong/chNN.yaml` lists. A new exercise needs its script, its solution on the page and a wrong answer.
"""

from __future__ import annotations

import ast
import copy
import inspect
import json
import math
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.dotted import look_up

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Case:
    """One call of the reader's function: `of(function(*arguments))` must equal `expected` to within `tolerance`.

    `expected` is a number, a string, an array or tensor, or a list, tuple or dictionary of these. `why` tells a reader
    with a wrong answer what this case is about. `of` turns what the function returns into what is compared, for
    instance a loss into its gradient; by default nothing is done. Arguments are copied, so changing them is harmless.
    """

    name: str
    arguments: Sequence[Any]
    expected: Any
    why: str
    of: Callable[[Any], Any] = lambda result: result
    tolerance: float = 1e-5


def _plain(value: Any) -> Any:
    """The value with tensors as arrays."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value


def same(got: Any, expected: Any, tolerance: float = 1e-5) -> bool:
    """Whether two results agree: numbers and arrays to a relative or absolute `tolerance`, shapes and the rest exactly.

    A number and an array of one number agree; a Python bool and one of NumPy's do; NaN agrees with nothing.
    """
    got, expected = _plain(got), _plain(expected)
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and got.keys() == expected.keys()
            and all(same(got[key], expected[key], tolerance) for key in expected)
        )
    if isinstance(expected, str) or expected is None:
        return type(got) is type(expected) and got == expected
    if isinstance(expected, tuple):
        return (
            isinstance(got, list | tuple)
            and len(got) == len(expected)
            and all(same(a, b, tolerance) for a, b in zip(got, expected, strict=True))
        )
    try:
        a, b = np.asarray(got, dtype=float), np.asarray(expected, dtype=float)
    except (TypeError, ValueError):
        return False
    if a.size == b.size == 1:
        a, b = a.reshape(()), b.reshape(())
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=tolerance, atol=tolerance))


def _text(value: Any) -> str:
    """A result in one line, long arrays cut."""
    value = _plain(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_text(each)}" for key, each in value.items()) + "}"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_text, value)) + ")"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, np.ndarray | list):
        with np.printoptions(precision=5, suppress=True, threshold=12, edgeitems=4, linewidth=10_000):
            text = " ".join(str(np.asarray(value)).split()) if not isinstance(value, list) else str(value)
        shape = f" of shape {value.shape}" if isinstance(value, np.ndarray) and value.ndim > 1 else ""
        return textwrap.shorten(text, 150, placeholder=" …") + shape
    return textwrap.shorten(repr(value), 150, placeholder=" …")


def _place(function: Callable[..., Any]) -> str:
    """The file of the reader's function as she would type it."""
    path = Path(function.__code__.co_filename).resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def unfilled(function: Callable[..., Any]) -> bool:
    """Whether a statement of the function is still `...`, alone, returned or assigned; `x[..., 0]` is none."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(function))).body
    values = [node.value for node in ast.walk(definition) if isinstance(node, ast.Expr | ast.Return | ast.Assign)]
    return any(isinstance(value, ast.Constant) and value.value is ... for value in values)


def _where(function: Callable[..., Any], error: Exception) -> str:
    """The innermost line of the reader's file that was running when `error` was raised."""
    own = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == function.__code__.co_filename]
    return f", line {own[-1].lineno} ({own[-1].line})" if own else ""


def check(function: Callable[..., Any], cases: Callable[[], Iterable[Case]]) -> int:
    """Run the cases on the reader's `function` up to the first wrong one, and say why; returns the exit status.

    `cases` is only called once the stub is filled in, and as a generator it computes a slow case only if it is reached.
    """
    place, name = _place(function), function.__name__
    if unfilled(function):
        print(f"not filled in yet: edit {place}, function {name}: replace each `...`, then run the same command again.")
        return 1
    right = 0
    for case in cases():
        try:
            got = case.of(function(*copy.deepcopy(list(case.arguments))))
        except Exception as error:
            reason = " ".join(str(error).split()) or "no message"
            print(f"error {case.name}: {type(error).__name__} in {place}{_where(function, error)}: {reason}")
            return 1
        if not same(got, case.expected, case.tolerance):
            print(f"WRONG {case.name}\n      got       {_text(got)}\n      expected  {_text(case.expected)}")
            print(textwrap.fill(case.why, 110, initial_indent="      why       ", subsequent_indent=" " * 16))
            print(f"not yet: {right} {'case is' if right == 1 else 'cases are'} right, this one is not.")
            return 1
        right += 1
        print(f"ok    {case.name}")
    print(f"right: {name} passes all {right} cases.")
    return 0


def entry(file: str, path: str) -> Any:
    """What stands in a report of the project at a dotted path (`common.dotted`)."""
    return look_up(json.loads((ROOT / file).read_text(encoding="utf-8")), path)


def recorded(file: str, path: str) -> float:
    """A measured number out of a report of the project, at a dotted path such as `data.seeds.0.steps_to_95`."""
    return float(entry(file, path))


def predict(
    question: str, measured: float | Callable[[], float], explain: Callable[[float, float], str], tolerance: float,
    form: str = ".2f", argv: Sequence[str] | None = None,
) -> int:  # fmt: skip
    """Compare the number on the command line with the `measured` one; returns the exit status.

    Within `tolerance` of it (absolute) the prediction counts as right. `explain(predicted, measured)` says what makes
    the number what it is, and what a prediction this far off usually leaves out. `measured` may be a function, which is
    called once there is a number to compare.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    if not words:
        print(f"{question}\nPredict first, then run the same command with your number at its end.")
        return 1
    try:
        (word,) = words
        mine = float(word)
        if not math.isfinite(mine):
            raise ValueError
    except ValueError:
        print(f"error: expected one number, got {' '.join(words)!r}.", file=sys.stderr)
        return 2
    truth = measured() if callable(measured) else measured
    close = abs(mine - truth) <= tolerance
    apart = f"your {mine:{form}} is {abs(mine - truth):{form}} away"
    print(f"measured: {truth:{form}}; {apart}, {'close enough' if close else f'more than {tolerance:{form}}'}.")
    print(textwrap.fill(explain(mine, truth), 110))
    return 0 if close else 1
