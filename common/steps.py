"""Dependent steps: run in order, each timed, stopping at the first that fails.

    status, outcomes = run_steps({"gpu-check": gpu_check, "render": lambda: render("frame.png")})

What `all` of a chapter's script does, and what `one_line` of a single step is for: an error of any kind becomes one
line that says where it happened.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb
from typing import Any, TypeVar

from common.cli import guarded
from common.errors import TrainingFailure, UserError

Result = TypeVar("Result")


class Skipped(TrainingFailure):
    """This machine cannot do the step, and the steps after it do not need it. On its own the step has failed."""


def one_line(step: Callable[..., Result], advice: str = "") -> Callable[..., Result]:
    """`step` with every unforeseen error turned into a `TrainingFailure`: its kind, its first line, the place.

    `advice` is added. For checks of a machine, where errors of all kinds are expected; elsewhere a traceback is better.
    """

    @functools.wraps(step)
    def wrapper(*args: Any, **kwargs: Any) -> Result:
        try:
            return step(*args, **kwargs)
        except (UserError, TrainingFailure):
            raise
        except Exception as error:
            at = extract_tb(error.__traceback__)[-1]
            first = (str(error).strip().splitlines() or ["no message"])[0]
            where = f"{Path(at.filename).name}:{at.lineno}"
            raise TrainingFailure(f"{type(error).__name__}: {first} ({where}). {advice}".rstrip()) from error

    return wrapper


def run_steps(
    steps: dict[str, Callable[[], Any]],
    before: dict[str, dict[str, Any]] | None = None,
    after: Callable[[dict[str, dict[str, Any]]], None] = lambda outcomes: None,
) -> tuple[int, dict[str, dict[str, Any]]]:
    """(exit status of the first step that failed or 0, outcome of every step that began).

    Steps with an outcome in `before` are not run again; their outcome is kept. `after` gets all outcomes after each
    step.

    An outcome has `outcome` (ok, skipped or failed), `status`, `seconds`, and `facts`: the dictionary that the step
    returned, if it returned one. A step fails as a command does: by what it raises, or by returning another integer
    than 0 (see `common.cli.guarded`).
    """
    outcomes: dict[str, dict[str, Any]] = {}
    for number, (name, step) in enumerate(steps.items(), 1):
        if name in (before or {}):
            outcomes[name] = before[name]
            continue
        print(f"[{number}/{len(steps)}] {name}", flush=True)
        row: dict[str, Any] = {"outcome": "ok", "status": 0, "seconds": 0.0, "facts": {}}
        began = time.monotonic()

        def act(step: Callable[[], Any] = step, row: dict[str, Any] = row) -> Any:
            try:
                result = step()
            except Skipped as reason:
                print(f"skipped: {reason}", file=sys.stderr)
                row["outcome"] = "skipped"
                return 0
            if isinstance(result, dict):
                row["facts"] = result
            return result

        row["status"] = guarded(act)
        row["seconds"] = round(time.monotonic() - began, 2)
        outcomes[name] = row
        if row["status"]:
            row["outcome"] = "failed"
        after(outcomes)
        if row["status"]:
            print(f"{name} failed; the steps after it were not tried", file=sys.stderr)
            return row["status"], outcomes
    return 0, outcomes
