"""Seeds and grids of any train command: JSON in, a comparison report out, on this machine or on a Slurm cluster.

    python scripts/sweep.py configs/sweeps/reach_seeds.json --slots 2
    python scripts/sweep.py configs/sweeps/reach_seeds.json --executor slurm --time-min 30

Each run is a train.py in a process of its own, then its eval.py, under `sweeps/<name>/`. All that is known is in files
there: kill anything at any moment and give the same command again. Finished runs are kept, begun ones continued, a
failed one is tried once more and then reported; `--retry` tries those again.

On this machine the sweep works until nothing is left; Ctrl-C and SIGTERM go to the runs, which save. With `--executor
slurm` it submits what is not yet submitted, collects what there is, and returns; call it again to collect, or give
`--wait`. `configs/sweep.py` describes the JSON. The report is `results/sweeps/<name>.json`; where
there is a finished one, the report of a sweep that is not finished is `sweeps/<name>/report.json`.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tyro.conf import Positional

from analysis.reports import DataReport, load, save
from common.cli import guarded, parse
from common.errors import UserError
from common.files import check_writable
from configs.sweep import Sweep, plan, read, small
from jobs.local import run_here
from jobs.records import files_of, meta_of, only_one, state_of
from jobs.report import make_report, tell

FOLDER = Path("sweeps")


@dataclass(frozen=True)
class SweepConfig:
    """Run the sweep that a JSON file describes, continue it, or collect it; the same command does all three."""

    sweep: Positional[str]
    """The sweep, a JSON file."""
    executor: Literal["local", "slurm"] = "local"
    """On this machine, or on a Slurm cluster through submitit. The file is the same."""
    slots: int | None = None
    """Runs at once; by default one on this machine, and on Slurm as many as the cluster gives."""
    wait: bool = False
    """With slurm: stay until every run is finished or given up. On this machine that is always so."""
    retry: bool = False
    """Try runs again that have failed twice."""
    json_out: str | None = None
    """Report to write; by default results/sweeps/<name>.json."""
    time_min: int = 60
    """With slurm: minutes that a job may take before it is requeued and continues."""
    cpus: int = 2
    """With slurm: CPUs of a job."""
    max_timeouts: int = 20
    """With slurm: how often a job may run out of time and be requeued."""
    sbatch: tuple[str, ...] = ()
    """With slurm: more options of sbatch, such as partition=gpu account=lab gres=gpu:1."""
    poll_s: float = 15.0
    """With slurm and --wait: seconds between two looks at the queue."""
    smoke: bool = False
    """The first two runs with every knob small, here and in a temporary folder: shows that the path works."""


def check(sweep: Sweep) -> None:
    """Raise `UserError` on what no run of the sweep could do, and on an existing run with other settings."""
    from train import resolved_for

    for job in sweep.jobs:
        new, meta = resolved_for(job.config).settings, meta_of(files_of(job))
        if meta is None or meta.config == new:
            continue
        old = meta.config
        changed = ", ".join(f"{k}: {old.get(k)} -> {new.get(k)}" for k in sorted(old | new) if old.get(k) != new.get(k))
        raise UserError(
            f"{files_of(job).out} was run with other settings ({changed}); give the sweep another name, "
            f"or delete the folder {files_of(job).out.parent}."
        )


def check_flags(config: SweepConfig) -> None:
    """Raise `UserError` on a flag that nothing can be done with."""
    for flag in ("slots", "cpus", "max_timeouts"):
        value = getattr(config, flag)
        if value is not None and value < 1:
            raise UserError(f"--{flag.replace('_', '-')} {value}: must be at least 1.")
    if config.time_min < 3:
        raise UserError(f"--time-min {config.time_min}: a job needs 3 minutes; it is told to save 90 s before the end.")
    if not 1 <= config.poll_s < float("inf"):
        raise UserError(f"--poll-s {config.poll_s}: must be at least 1.")
    for pair in config.sbatch:
        if not re.fullmatch("[a-z-]+=.+", pair):
            raise UserError(f"--sbatch {pair}: give options as key=value, such as partition=gpu.")


def on_slurm(sweep: Sweep, folder: Path, config: SweepConfig) -> dict[str, str]:
    """Submit and collect, until nothing is in the queue where the sweep is to wait; the states by job."""
    from jobs.slurm import SlurmOptions, advance

    sbatch = dict(pair.split("=", 1) for pair in config.sbatch)
    options = SlurmOptions(config.time_min, config.cpus, config.slots, config.max_timeouts, sbatch)
    before: dict[str, str] = {}
    while True:
        states = advance(sweep.jobs, folder, options)
        for name, state in states.items():
            if before.get(name) != state:
                print(f"{name}: {state}", flush=True)
        before = states
        if not config.wait or set(states.values()) <= {"finished", "failed"}:
            return states
        time.sleep(config.poll_s)


def was_finished(path: Path) -> bool:
    """Whether a whole sweep's report is at `path`, which then stays until another one is whole."""
    return path.exists() and load(path, DataReport).status == "finished"


def sweep_and_tell(config: SweepConfig) -> int:
    """Everything; the exit status: 0, 1 where a run failed twice, 2 a mistake, 128 + the signal that stopped it."""
    check_flags(config)
    base = Path(tempfile.mkdtemp(prefix="sweep-")) if config.smoke else FOLDER
    sweep = plan(read(config.sweep), base)
    path = Path(config.json_out or f"results/sweeps/{sweep.name}.json")
    if config.smoke:
        sweep, path = small(sweep), base / path.name
        config = dataclasses.replace(config, executor="local")
    check_writable(path)
    folder, number, states = base / sweep.name, None, {}
    with only_one(folder):
        check(sweep)
        for job in sweep.jobs if config.retry else ():
            if state_of(job) == "failed":
                files_of(job).failures.unlink()
        if config.executor == "slurm":
            states = on_slurm(sweep, folder, config)
        else:
            number = run_here(sweep.jobs, config.slots or 1, lambda line: print(line, flush=True))
        settings = {"executor": config.executor, "slots": config.slots, "smoke": config.smoke}
        report = make_report(sweep, settings, {name: state.split(" (")[0] for name, state in states.items()})
        if report.status != "finished" and not config.json_out and was_finished(path):
            path = folder / "report.json"
        save(path, report)
        status = tell(sweep, report, path)
    if config.smoke and status == 0:
        shutil.rmtree(folder)
    return status if number is None else 128 + number


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    return guarded(lambda: sweep_and_tell(parse(SweepConfig, argv, prog="sweep.py", description=__doc__)))


if __name__ == "__main__":
    sys.exit(main())
