"""Things by name with typed arguments, written as text: `lowpass:alpha=0.3`, `my_module:halve:factor=0.5`.

    NAMES = Registry("wrapper", built_in=("wrappers.actions",))

    @NAMES.register("lowpass")
    class LowPass(gym.Wrapper):
        def __init__(self, env: gym.Env, alpha: float = 0.5): ...

    NAMES.canonical("lowpass")                    # 'lowpass:alpha=0.5'
    NAMES.build("lowpass:alpha=0.3", env)         # LowPass(env, alpha=0.3)

As in Gymnasium's environment ids, `module:` before a name imports that module first; it is expected to register the
name. Text of this kind comes from the command line and goes into settings, hashes and reports.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

from common.errors import UserError, closest

BARE = re.compile(r"[A-Za-z_][A-Za-z0-9_./+-]*")
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def read_value(text: str) -> Any:
    """A JSON value, or the text itself where it is none: 0.3, true, [1, 2], dense."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def write_value(value: Any) -> str:
    """The text that `read_value` turns back into `value`. Raises `UserError` where there is none."""
    if isinstance(value, str) and BARE.fullmatch(value) and read_value(value) == value:
        return value
    try:
        return json.dumps(value, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError):
        raise UserError(f"{value!r} is no finite number, text, list or true or false.") from None


def read_pairs(texts: Iterable[str], what: str) -> dict[str, Any]:
    """`key=value` texts as a dictionary. Raises `UserError` on another form and on a key that comes twice."""
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip().isidentifier():
            raise UserError(f"{what} {text!r}: expected key=value.")
        if key.strip() in found:
            raise UserError(f"{what}: {key.strip()} is given twice.")
        found[key.strip()] = read_value(value.strip())
    return found


def write_pairs(values: dict[str, Any]) -> tuple[str, ...]:
    """`key=value` texts that `read_pairs` turns back into `values`, in the same order."""
    return tuple(f"{key}={write_value(value)}" for key, value in values.items())


def split_list(text: str) -> list[str]:
    """The parts of `text` between commas, except those inside brackets or quotation marks."""
    parts, depth, quoted, before = [""], 0, False, ""
    for letter in text:
        quoted ^= letter == '"' and before != "\\"
        before = letter
        depth += 0 if quoted else (letter in "[{") - (letter in "]}")
        if letter == "," and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts


def import_module(name: str) -> None:
    """Import a module of the user's, which registers something. Raises `UserError` where that fails."""
    if name in sys.modules:
        return
    if not MODULE.fullmatch(name):
        raise UserError(f"{name!r} is no name of a Python module.")
    try:
        importlib.import_module(name)
    # The module is the user's and may fail in any way.
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0]
        raise UserError(f"module {name} cannot be imported ({type(error).__name__}: {reason}).") from error


def split_module(text: str) -> tuple[str | None, str]:
    """`my_module:Name` as (module, name); module is None where there is none."""
    module, colon, name = text.partition(":")
    return (module, name) if colon else (None, text)


def fits(value: Any, kind: Any) -> bool:
    """Whether a value out of YAML or JSON is of the type that a setting or an argument is annotated with."""
    origin = typing.get_origin(kind)
    if kind in (Any, inspect.Parameter.empty):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, part) for part in typing.get_args(kind))
    if origin is Literal:
        return value in typing.get_args(kind)
    if origin in (tuple, list):
        inner = (typing.get_args(kind) or (Any,))[0]
        return isinstance(value, list | tuple) and all(fits(v, inner) for v in value)
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(value) <= sys.float_info.max
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if kind in (None, type(None)):
        return value is None
    return isinstance(value, kind)


@dataclass(frozen=True)
class Spec:
    """The parts of `module:name:key=value,…`."""

    module: str | None
    name: str
    arguments: dict[str, Any]

    @classmethod
    def read(cls, text: str, what: str) -> Spec:
        """Raises `UserError` where `text` is not of this form."""
        parts = text.split(":")
        # Values may hold colons of their own: arguments begin with the first part that has an equals sign.
        first = next((i for i, part in enumerate(parts) if "=" in part), len(parts))
        names, rest = parts[:first], ":".join(parts[first:])
        if len(names) not in (1, 2) or not all(names) or (first == len(parts) and text.endswith(":")):
            raise UserError(f"{what} {text!r}: expected NAME, NAME:key=value,… or module:NAME:key=value,….")
        arguments = read_pairs(split_list(rest), f"{what} {names[-1]}") if rest else {}
        return cls(names[0] if len(names) == 2 else None, names[-1], arguments)


def modules_of(texts: Iterable[str]) -> list[str]:
    """The modules that `module:name:…` texts name, each once."""
    return list(dict.fromkeys(module for text in texts if (module := Spec.read(text, "name").module)))


@dataclass
class Registry:
    """Makers by name. A maker is called with what `build` is given and the keyword arguments of the text.

    `what` names the kind of thing in messages; `built_in` are modules that register the ones which always exist.
    """

    what: str
    built_in: tuple[str, ...] = ()
    makers: dict[str, Callable[..., Any]] = field(default_factory=dict)

    def register(self, name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Decorator: make this class or function available as `name`. The newest of a name counts."""
        if not BARE.fullmatch(name):
            raise ValueError(f"{name!r}: a name begins with a letter and has no spaces, colons, commas or equals signs")

        def keep(maker: Callable[..., Any]) -> Callable[..., Any]:
            self.makers[name] = maker
            return maker

        return keep

    def names(self) -> list[str]:
        """All that are registered."""
        for module in self.built_in:
            importlib.import_module(module)
        return sorted(self.makers)

    def find(self, text: str) -> tuple[Spec, Callable[..., Any]]:
        """The parts of `text`, and its maker. Raises `UserError` naming the nearest name."""
        spec = Spec.read(text, self.what)
        known = self.names()
        if spec.module in known:
            raise UserError(f"{self.what} {text!r}: expected {spec.module}:key=value.")
        if spec.module:
            import_module(spec.module)
            known = self.names()
        if spec.name not in known:
            where = f" in module {spec.module}" if spec.module else ""
            raise UserError(
                f"unknown {self.what} {spec.name}{where}.{closest(spec.name, known)} Known: {', '.join(known)}."
            )
        return spec, self.makers[spec.name]

    def canonical(self, text: str) -> str:
        """`text` with all arguments that are not empty, checked against the maker's annotations. Raises `UserError`."""
        spec, maker = self.find(text)
        parameters, hints = self._parameters(maker)
        for key, value in spec.arguments.items():
            if key not in parameters:
                takes = f" It takes {', '.join(parameters)}." if parameters else " It takes no arguments."
                raise UserError(f"{self.what} {spec.name}: unknown argument {key}.{closest(key, parameters)}{takes}")
            kind = hints.get(key, Any)
            if not fits(value, kind):
                wanted = getattr(kind, "__name__", str(kind))
                raise UserError(f"{self.what} {spec.name}: {key}={write_value(value)[:80]}: expected {wanted}.")
        full = {}
        for key, parameter in parameters.items():
            if key not in spec.arguments and parameter.default is parameter.empty:
                raise UserError(f"{self.what} {spec.name} needs {key}: {spec.name}:{key}=….")
            value = spec.arguments.get(key, parameter.default)
            # 1 and 1.0 are the same setting, so they must be the same text.
            full[key] = float(value) if hints.get(key) is float else value
        # An empty text asks for nothing. Left out, so that a maker may learn a new word and old runs still go on.
        full = {key: value for key, value in full.items() if value != ""}
        arguments = ",".join(write_pairs(full))
        return ":".join(part for part in (spec.module, spec.name, arguments) if part)

    def build(self, text: str, *given: Any) -> Any:
        """What `text` stands for, made with `given` before its own arguments. Raises `UserError`."""
        spec, maker = self.find(self.canonical(text))
        try:
            return maker(*given, **spec.arguments)
        except ValueError as error:
            raise UserError(f"{self.what} {text}: {error}") from error

    @staticmethod
    def _parameters(maker: Callable[..., Any]) -> tuple[dict[str, inspect.Parameter], dict[str, Any]]:
        """The arguments after the first of `maker`, and their types."""
        function = maker.__init__ if inspect.isclass(maker) else maker
        _, *own = inspect.signature(maker).parameters.values()
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        return {p.name: p for p in own if p.kind not in kinds}, typing.get_type_hints(function)
