"""Run the commands whose output the pages show, and keep the lines that they show.

    python scripts/transcripts.py                     # every command of tutorials/transcripts.yaml, two minutes
    python scripts/transcripts.py ch03_verify         # one of them
    python -m analysis.docs                           # the pages take the lines from results/transcripts/

So a page never shows output that was pasted, and rerunning a command after a change is one command for all pages. Each
runs in a temporary folder that sees the code, the policies that ship, and nothing of earlier runs.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tyro.conf import Positional

from analysis.reports import DataReport, save
from common.cli import guarded, parse
from common.errors import TrainingFailure, UserError, closest
from common.provenance import ROOT, metadata

LIST = Path(ROOT) / "tutorials/transcripts.yaml"
CODE = ("train.py", "eval.py", "scripts", "configs", "checkpoints/reference")


@dataclass(frozen=True)
class TranscriptsConfig:
    """Run the commands whose output the pages show, and keep the lines that they show."""

    names: Positional[tuple[str, ...]] = ()
    """Names in tutorials/transcripts.yaml; without one, all."""
    folder: str = "results/transcripts"
    """Where the reports go, one a command."""
    list: bool = False
    """Only say which there are."""


def kept(output: str, blocks: dict[str, str]) -> dict[str, list[str]]:
    """For each block the lines of `output` in which its pattern is found. Raises `UserError` where there is none."""
    lines = [line.rstrip() for line in output.splitlines()]
    found = {name: [line for line in lines if re.search(pattern, line)] for name, pattern in blocks.items()}
    for name, own in found.items():
        if not own:
            raise UserError(f"block {name}: no line of the output has {blocks[name]!r}.")
    return found


def output_of(command: str) -> str:
    """What `command` prints, run in an empty folder that sees the code. Raises `TrainingFailure` where it fails."""
    words = shlex.split(command)
    with tempfile.TemporaryDirectory(prefix="transcript-") as folder:
        for name in CODE:
            link = Path(folder, name)
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(Path(ROOT) / name)
        # Evaluations and warnings go to standard error; a reader sees both streams in one terminal.
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        done = subprocess.run([sys.executable, *words[1:]], cwd=folder, text=True, **streams)
    if done.returncode:
        raise TrainingFailure(f"{command} ended with status {done.returncode}: {done.stdout.strip()[-300:]}")
    return done.stdout


def record(entry: dict[str, Any], folder: Path) -> Path:
    """Run the command of an entry, and write its blocks as a report named after it."""
    began = time.monotonic()
    blocks = kept(output_of(entry["command"]), entry["blocks"])
    common = metadata({"command": entry["command"]}, wall_clock_s=round(time.monotonic() - began, 3))
    save(path := folder / f"{entry['name']}.json", DataReport(**common, name="transcript", data=blocks))
    return path


def run(config: TranscriptsConfig) -> None:
    """Run what was asked for. Raises `UserError` with the nearest name on an unknown one."""
    entries = {entry["name"]: entry for entry in yaml.safe_load(LIST.read_text(encoding="utf-8"))}
    for name in config.names:
        if name not in entries:
            raise UserError(f"no transcript {name}.{closest(name, entries)} --list shows all.")
    for name in config.names or entries:
        if config.list:
            print(f"{name:16s} {entries[name]['command']}")
        else:
            print(f"{entries[name]['command']} -> {record(entries[name], Path(config.folder))}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, 1 where a command fails, 2 on a mistake."""
    return guarded(lambda: run(parse(TranscriptsConfig, argv, prog="transcripts.py", description=__doc__)))


if __name__ == "__main__":
    sys.exit(main())
