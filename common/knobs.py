"""A setting in one place: its type, default, meaning, and the values that a run can use.

    @dataclass(frozen=True)
    class SacSettings:
        tau: float = knob(0.005, "Share of the new weights that enters the target networks.", SHARE)

The command line, recipes and checks are made of such classes (configs/train_config.py), so that another setting is one
line beside the others of the learner that reads it.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
import typing
from collections.abc import Callable, Collection, Iterable
from typing import Annotated, Any, NamedTuple

from common.errors import UserError

ANY = float("inf")


class Range(NamedTuple):
    """Numbers that a run can use: from `low` (or above it) to `high`.

    Upper bounds of counts are far beyond what anybody would want. They are there for a slip of the keyboard, which
    would otherwise fill the memory until the system kills the run, or never end.
    """

    low: float = -ANY
    high: float = ANY
    above: bool = False

    def check(self, value: float, flag: str) -> None:
        """Raise `UserError` on a number outside."""
        if not abs(value) < ANY:
            raise UserError(f"{flag}: a finite number is needed.")
        if value < self.low or (self.above and value <= self.low):
            least = f"be above {self.low}" if self.above else f"be at least {self.low}"
            least = "not be negative" if self.low == 0 and not self.above else least
            raise UserError(f"{flag}: must {'lie between 0 and 1' if (self.low, self.high) == (0, 1) else least}.")
        if value > self.high == 1:
            raise UserError(f"{flag}: must lie between 0 and 1.")
        if value > self.high:
            raise UserError(f"{flag}: must be at most {self.high:,}; no run here can use more.")


SHARE, NOT_NEGATIVE, ABOVE_0 = Range(0, 1), Range(0), Range(0, above=True)


def count(most: int) -> Range:
    """Whole numbers from 1 to `most`."""
    return Range(0, most, above=True)


def knob(default: Any, about: str, allowed: Range | None = None, passed_on: bool = True) -> Any:
    """A field of a settings class. `passed_on`: whether Stable-Baselines3's constructor takes it by this name."""
    return dataclasses.field(default=default, metadata={"about": about, "allowed": allowed, "passed_on": passed_on})


def another_default(cls: type, name: str, default: Any) -> Any:
    """The knob `name` of the settings class `cls`, with another default."""
    found = next(field for field in dataclasses.fields(cls) if field.name == name)
    return dataclasses.field(default=default, metadata=found.metadata)


def names(*classes: type) -> tuple[str, ...]:
    """The knobs of these classes, each once."""
    return tuple(dict.fromkeys(field.name for cls in classes for field in dataclasses.fields(cls)))


def defaults(*classes: type) -> dict[str, Any]:
    """The default of every knob; of a later class where several have it."""
    return {field.name: field.default for cls in classes for field in dataclasses.fields(cls)}


def check(value: Any, name: str, *classes: type) -> None:
    """Raise `UserError` where the last of `classes` that has the knob `name` cannot use the number `value`."""
    allowed = [field.metadata["allowed"] for cls in classes for field in dataclasses.fields(cls) if field.name == name]
    if isinstance(value, int | float) and not isinstance(value, bool):
        (allowed[-1] or Range() if allowed else Range()).check(value, f"--{name.replace('_', '-')} {value}")


def accepts(readers: dict[str, Iterable[type]], everyone: Collection[str]) -> Callable[[type], type]:
    """A class decorator, before `@dataclass`: one field for each knob of the settings in `readers`, None by default.

    `readers`: who reads which settings classes. A flag's help says who does, where it is not all of `everyone`.
    """

    def decorate(cls: type) -> type:
        found: dict[str, dict[str, Any]] = {}
        for reader, classes in readers.items():
            for settings in classes:
                hints = typing.get_type_hints(settings)
                for field in dataclasses.fields(settings):
                    entry = found.setdefault(field.name, {"types": [], "readers": {}})
                    entry["types"].append(hints[field.name])
                    about = entry["readers"].setdefault(field.metadata["about"], [])
                    about.extend([reader] if reader not in about else [])
        for name, entry in found.items():
            help_text = " ".join(_with_readers(*item, everyone) for item in entry["readers"].items())
            union = functools.reduce(operator.or_, [*dict.fromkeys(entry["types"]), type(None)])
            cls.__annotations__[name] = _with_help(union, help_text)
            setattr(cls, name, None)
        return cls

    return decorate


def _with_readers(about: str, readers: list[str], everyone: Collection[str]) -> str:
    return about if set(everyone) <= set(readers) else f"{about.removesuffix('.')} ({', '.join(readers)})."


def _with_help(kind: Any, text: str) -> Any:
    import tyro

    return Annotated[kind, tyro.conf.arg(help=text)]
