"""Time the README's first two commands as a newcomer meets them: in a fresh clone without any environment.

    python scripts/measure_first_commands.py --json-out results/first_commands.json

Clones the last commit into an empty folder, runs both commands there, evaluates the policy on 100 held-out episodes
and writes what it saw. Takes as long as setup, training and the tests do.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from analysis.reports import DataReport, EvalReport, TrainMeta, load, save
from common import provenance
from common.cli import guarded, parse
from common.errors import TrainingFailure

TRAIN = "python train.py --algo sac --her --env FetchReach-v4 --seed 0 --out checkpoints/first"
EVALUATE = ("python eval.py --ckpt checkpoints/first.zip --env FetchReach-v4 --n-episodes 100 --seeds 0-99 "
            "--deterministic --json-out results/first_eval.json")  # fmt: skip


@dataclass(frozen=True)
class FirstCommands:
    """Time the README's first commands in a fresh clone."""

    json_out: str = "results/first_commands.json"
    """Report to write."""
    mode: str = "--host"
    """--host or --container, as docker/dev.sh takes it."""
    skip_tests: bool = False
    """Leave pytest out."""


def timed(command: str, folder: Path, mode: str) -> float:
    """Seconds that `bash docker/dev.sh MODE COMMAND` takes in `folder`. Raises `TrainingFailure` where it fails."""
    # The clone must not find this process's own environment.
    hidden = ("VIRTUAL_ENV", "PYTHONPATH", "PYTHONHOME")
    environment = {key: value for key, value in os.environ.items() if key not in hidden}
    inside = os.environ.get("VIRTUAL_ENV")
    if inside:
        entries = environment["PATH"].split(os.pathsep)
        environment["PATH"] = os.pathsep.join(entry for entry in entries if not entry.startswith(inside))
    words = ["bash", "docker/dev.sh", mode, *command.split()]
    print("$", " ".join(words), flush=True)
    began = time.monotonic()
    done = subprocess.run(words, cwd=folder, env=environment)
    if done.returncode:
        raise TrainingFailure(f"{' '.join(words)}: exit status {done.returncode}")
    return round(time.monotonic() - began, 1)


def measure(config: FirstCommands) -> None:
    """Clone, run, evaluate, write the report."""
    with tempfile.TemporaryDirectory(prefix="fresh-clone-") as temporary:
        clone = Path(temporary) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(provenance.ROOT), str(clone)], check=True)
        train_s = timed(TRAIN, clone, config.mode)
        pytest_s = None if config.skip_tests else timed("pytest", clone, config.mode)
        timed(EVALUATE, clone, config.mode)
        meta = load(clone / "checkpoints/first.meta.json", TrainMeta)
        report = load(clone / "results/first_eval.json", EvalReport)
    data = {
        "train_s": train_s,
        "train_only_s": meta.wall_clock_s,
        "pytest_s": pytest_s,
        "steps": meta.steps,
        "updates": meta.updates,
        "weights_sha256": meta.weights_sha256,
        "success": report.aggregate.success.model_dump(),
        "success_net": report.aggregate.success_net.model_dump(),
    }
    # Where the report goes decides no number, and may be a place on this machine.
    settings = {key: value for key, value in asdict(config).items() if key != "json_out"}
    common = provenance.metadata(
        settings, env_id="FetchReach-v4", seeds=[0], device=meta.device, n_envs=meta.n_envs,
        wall_clock_s=train_s + (pytest_s or 0), evaluation_protocol=report.evaluation_protocol,
    )  # fmt: skip
    save(config.json_out, DataReport(**common, name="first_commands", data=data))
    print(f"report -> {config.json_out}")


if __name__ == "__main__":
    sys.exit(guarded(lambda: measure(parse(FirstCommands, None, prog="measure_first_commands.py"))))
