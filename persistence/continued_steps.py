"""Steps that can be continued: `common.steps.run_steps` with a report that remembers what is done.

The report is written after every step, so that even a killed process leaves it behind. It counts for the same steps,
settings and code, since other code would have done something else. Steps that all finished begin anew.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from analysis.reports import DataReport, load, save
from common.errors import UserError
from common.provenance import code_hash, config_hash, git_state, metadata
from common.steps import run_steps


def run_continued(steps: dict[str, Callable[[], Any]], state: Path, name: str, settings: dict[str, Any],
                  copy: Path | None = None, only_whole: bool = False) -> int:  # fmt: skip
    """Run `steps` in order until one fails; returns its exit status, or 0.

    The report at `state` is called `name`; its configuration is the steps' names, `settings`, and hashes of the code
    and of what the steps are given. At the end it is written to `copy`, too, with `only_whole` if every step is done:
    what was there before is kept until then.
    """
    # Of 100 episodes nothing is done where 500 are asked for.
    given = {name: repr((step.args, step.keywords)) for name, step in steps.items() if isinstance(step, partial)}
    config = {"steps": list(steps), "code": code_hash(), "arguments": config_hash(given)} | settings
    before = done_so_far(state, config)

    def report(path: Path, status: str, outcomes: dict[str, Any]) -> None:
        seconds = round(sum(row["seconds"] for row in outcomes.values()), 3)
        common = metadata(config, status=status, wall_clock_s=seconds)
        save(path, DataReport(**common, name=name, data={"steps": outcomes}))

    if before:
        print(f"continuing: {', '.join(before)} done already; delete {state} to begin again")
    status, outcomes = run_steps(steps, before, lambda rows: report(state, "running", rows))
    word = {0: "finished", 130: "interrupted"}.get(status, "failed")
    for path in {state, copy if copy and not (status and only_whole) else state}:
        report(path, word, outcomes)
    if status:
        print(f"{word}; the same command continues with {list(outcomes)[-1]}", file=sys.stderr)
    return status


def done_so_far(state: Path, config: dict[str, Any]) -> dict[str, Any]:
    """Outcomes of the steps that an unfinished run of the same commit and configuration has behind it."""
    if not state.exists():
        return {}
    try:
        earlier = load(state, DataReport)
    except UserError:
        return {}
    if earlier.status == "finished" or earlier.config != config or earlier.commit != git_state()[0]:
        return {}
    return {name: row for name, row in earlier.data["steps"].items() if row["outcome"] != "failed"}
