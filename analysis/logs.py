"""The metric log of a run, `<out>.metrics.jsonl`: one JSON object per line, appended during the run.

A line has `kind` ("train" or "evaluation"), `steps`, `updates`, `wall_clock_s`, and then either numbers under the names
that TensorBoard shows ("rollout/success_rate"), or the fields of `reports.Evaluation`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analysis.reports import Evaluation, Rate
from common.errors import UserError
from common.files import parse_json

# Also what a log's or a report's name loses to become its label; the longest first.
SUFFIXES = (".metrics.jsonl", ".jsonl", ".meta.json", ".json")
HINT = "Is this the .metrics.jsonl of a run?"


def label(path: str | Path) -> str:
    """The name of a log or report in a figure or a table: its file name without the ending."""
    name = Path(path).name
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def labels(paths: list[str] | list[Path]) -> list[str]:
    """One label a path, all different: the folder's name is added where file names repeat, and then a number."""
    names = [label(path) for path in paths]
    if len(set(names)) < len(names):
        names = [f"{Path(path).parent.name}/{name}" for path, name in zip(paths, names, strict=True)]
    return [name if names.count(name) == 1 else f"{name} ({i + 1})" for i, name in enumerate(names)]


def _check(entry: Any) -> dict[str, Any]:
    """`entry` itself; `ValueError` says what is wrong with it."""
    if not isinstance(entry, dict):
        raise ValueError("a JSON object is expected")
    if not isinstance(entry.get("kind"), str):
        raise ValueError("'kind' is missing")
    for key, kinds in (("steps", int), ("updates", int), ("wall_clock_s", (int, float))):
        value = entry.get(key)
        if not isinstance(value, kinds) or isinstance(value, bool) or value < 0:
            raise ValueError(f"{key!r} is missing or no number from 0 on")
    if entry["kind"] == "evaluation":
        for key in ("success", "success_net"):
            try:
                Rate.model_validate(entry.get(key))
            except ValidationError as error:
                raise ValueError(f"{key!r} is no rate with n and interval ({error.errors()[0]['msg']})") from None
    return entry


def read_log(path: str | Path) -> list[dict[str, Any]]:
    """All entries of a metric log, in the order they were written.

    Raises `UserError` for a missing file and, with its number, for a bad line. A last line without a line end that is
    no whole JSON text is what a kill left of it, and is left out.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from error
    lines = content.split(b"\n")
    entries = []
    for number, line in enumerate(lines, start=1):
        last = number == len(lines)
        try:
            entry = parse_json(line)
        except ValueError as error:
            if last:
                break
            # A decoder's own text counts lines inside this one; `msg` is the same without them.
            raise UserError(f"{path}, line {number}: {getattr(error, 'msg', error)}. {HINT}") from None
        try:
            entries.append(_check(entry))
        except ValueError as error:
            raise UserError(f"{path}, line {number}: {error}. {HINT}") from None
    return entries


def evaluations(entries: list[dict[str, Any]]) -> list[Evaluation]:
    """The evaluations of a log with strictly increasing steps.

    A run that continues from a checkpoint does some steps again; the later entry then stands for them.
    """
    kept: list[Evaluation] = []
    for entry in entries:
        if entry["kind"] != "evaluation":
            continue
        evaluation = Evaluation.model_validate({name: entry[name] for name in Evaluation.model_fields})
        while kept and kept[-1].steps >= evaluation.steps:
            kept.pop()
        kept.append(evaluation)
    return kept
