"""From the command line to typed settings: errors are one line and exit status 2, never a traceback.

tyro parses the flags; its message about a mistake is reduced to one line here, with the nearest flag that exists.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import inspect
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from common.errors import ToldAlready, TrainingFailure, UserError, closest, printable
from common.files import check_report_place
from common.streams import tolerant_streams

Result = TypeVar("Result")
# Parameters of subcommands that count what there has to be at least one of.
COUNTS = ("n_episodes", "perturbed_episodes", "total_steps", "retrain_steps", "steps", "validation", "frames", "batch",
          "cells", "size")  # fmt: skip


def _flags(target: Callable[..., Any]) -> list[str]:
    """All flags that `target` (a dataclass or a function) takes, as they are typed."""
    if dataclasses.is_dataclass(target):
        names = [field.name for field in dataclasses.fields(target)]
    else:
        names = []
        for name, parameter in inspect.signature(target).parameters.items():
            # A parameter that is a dataclass, such as a chapter's `mode`, gives one flag for each of its fields.
            value = parameter.default
            fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
            names += [field.name for field in fields] or [name]
    return ["--" + name.replace("_", "-") for name in names]


def _first_sentence(box: str) -> str:
    """The first paragraph of tyro's boxed message, on one line."""
    lines, rows = [], box.splitlines()
    # Where the output cannot show UTF-8, tyro draws a heading over a line of dashes instead of a box.
    if len(rows) > 1 and set(rows[1].strip()) == {"-"}:
        rows = rows[2:]
    for line in rows:
        text = line.strip().strip("│").strip()
        if line.startswith(("╭", "╰")):
            continue
        if not text or set(text) <= {"─", "-"} or text.startswith(("Got errors", "Argument helptext")):
            break
        lines.append(text)
    return re.sub(r"\s+", " ", " ".join(lines))


def explain(box: str, flags: Sequence[str], names: Sequence[str] = ()) -> str:
    """One line out of tyro's message, with the nearest known flag or subcommand where one was mistyped."""
    message = _first_sentence(box).rstrip(".")
    message = re.sub(
        r"no type matching (?:\{None\}\|)?(.+?) could be instantiated from \['?(.*?)'?\]",
        r"expected \1, got '\2'",
        message,
    )
    hint = ""
    if unknown := re.match(r"Unrecognized options: (\S+?),?(\s|$)", message):
        # A word without dashes that nothing took is a mistyped subcommand.
        hint = closest(unknown[1].split("=")[0], flags if unknown[1].startswith("-") else [*names, *flags])
    elif choice := re.search(r"invalid choice '([^']*)'.*Expected one of \(([^)]*)\)", message):
        hint = closest(choice[1], [word.strip(" '") for word in choice[2].split(",") if word.strip()])
    elif names:
        words = re.findall(r"'([^']+)'", message)
        hint = next((h for h in (closest(word, names) for word in words) if h), "")
    return f"{message}.{hint}"


def _wide_enough() -> None:
    """See to it that tyro lays its help out for a terminal of at least 40 columns: for one column it never ends."""
    if shutil.get_terminal_size().columns < 40:
        os.environ["COLUMNS"] = "40"


def _check(values: Mapping[str, Any]) -> None:
    """Raise `UserError` on flags that are there and empty, and on a report that would replace another kind of file."""
    for name, value in values.items():
        flag = f"--{name.replace('_', '-')}"
        if value == "":
            raise UserError(f"{flag} is empty; give it a value or leave it out.")
        if name == "json_out" and isinstance(value, str) and not values.get("overwrite"):
            check_report_place(value, flag)


def _check_counts(values: Mapping[str, Any]) -> None:
    """Raise `UserError` on one of `COUNTS` below 1: before a command trains, say, what it will not evaluate."""
    for name in COUNTS:
        if isinstance(value := values.get(name), int) and value < 1:
            raise UserError(f"--{name.replace('_', '-')} {value}: at least one is needed.")


def parse(
    target: Callable[..., Result], argv: Sequence[str] | None, prog: str, description: str | None = None
) -> Result:
    """`target` built from `argv` (the process's own where None). Raises `UserError`; `--help` prints and exits 0."""
    import tyro

    _wide_enough()
    caught = io.StringIO()
    try:
        with contextlib.redirect_stderr(caught):
            found = tyro.cli(target, args=argv, prog=prog, description=description)
    except SystemExit as stop:
        if not stop.code:
            raise
        raise UserError(explain(caught.getvalue(), _flags(target))) from None
    if dataclasses.is_dataclass(found):
        _check({field.name: getattr(found, field.name) for field in dataclasses.fields(found)})
    return found


# What the machine refuses, not the program: too many open files, no space, no memory.
REFUSALS = {errno.EMFILE, errno.ENFILE, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EIO, errno.EROFS, errno.EFBIG}


def refusal(error: BaseException) -> str | None:
    """One line for an error that is the machine's; None where it is a mistake of this program."""
    if isinstance(error, MemoryError):
        return "not enough memory for this; make it smaller."
    if isinstance(error, OSError) and error.errno in REFUSALS:
        where = f"{error.filename}: " if error.filename else ""
        fix = "; raise the limit (ulimit -n)" if error.errno in (errno.EMFILE, errno.ENFILE) else ""
        return f"{where}{error.strerror}{fix}."
    text = str(error)
    if isinstance(error, ImportError) and os.strerror(errno.EMFILE) in text:
        return f"{os.strerror(errno.EMFILE)}; raise the limit (ulimit -n)."
    if isinstance(error, RuntimeError) and re.search(r"can't allocate memory|out of memory", text):
        return "not enough memory for these settings; make them smaller."
    return None


def guarded(action: Callable[[], Any]) -> int:
    """Run `action` and return the process's exit status: its own integer or 0, 2 on a `UserError`, 1 on a failure.

    Where the output cannot be written the action goes on without it. A pipe that its reader closed is nothing to
    report; a full device is, at the end, with status 2.
    """
    with tolerant_streams() as out:
        status = _status(action)
        out.flush()
        if status == 0 and (reason := out.lost()):
            print(f"error: standard output: {reason}; what should have been printed is lost.", file=sys.stderr)
            status = 2
    return status


def _status(action: Callable[[], Any]) -> int:
    try:
        result = action()
    except ToldAlready:
        return 2
    except UserError as error:
        print(f"error: {printable(str(error))}", file=sys.stderr)
        return 2
    except TrainingFailure as error:
        print(f"failed: {printable(str(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except SystemExit as stop:
        # `--help` ends so.
        if stop.code:
            raise
        return 0
    except (OSError, MemoryError, ImportError, RuntimeError) as error:
        line = refusal(error)
        if line is None:
            raise
        print(f"error: {printable(line)}", file=sys.stderr)
        return 2
    return result if isinstance(result, int) and not isinstance(result, bool) else 0


def subcommands(
    commands: dict[str, Callable[..., Any]],
    prog: str,
    description: str | None = None,
    argv: Sequence[str] | None = None,
) -> int:
    """Run the subcommand that `argv` names with its typed flags; returns the exit status for `sys.exit`.

    `commands` maps names to functions whose parameters become flags. The first function that returns a non-zero
    integer or raises decides the status. A `UserError`, such as one about an unknown flag, is one line and status 2.
    """
    import tyro

    def delayed(function: Callable[..., Any]) -> Callable[..., Any]:
        # Parsing runs with stderr captured; the function itself must run outside of that.
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Callable[[], Any]:
            given = inspect.signature(function).bind(*args, **kwargs).arguments
            _check(given)
            _check_counts(given)
            return functools.partial(function, *args, **kwargs)

        return wrapper

    def action() -> Any:
        _wide_enough()
        caught = io.StringIO()
        try:
            with contextlib.redirect_stderr(caught):
                chosen = tyro.extras.subcommand_cli_from_dict(
                    {name: delayed(function) for name, function in commands.items()},
                    args=argv, prog=prog, description=description,
                )  # fmt: skip
        except SystemExit as stop:
            if not stop.code:
                raise
            flags = sorted({flag for function in commands.values() for flag in _flags(function)})
            raise UserError(explain(caught.getvalue(), flags, list(commands))) from None
        return chosen()

    return guarded(action)
