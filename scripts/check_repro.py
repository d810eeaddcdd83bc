"""Does the same command give the same policy? Train twice with one seed, evaluate both, compare.

    python scripts/check_repro.py --algo ppo --env FetchReachDense-v4 --total-steps 50000 --n-eval-episodes 50

Exit status 0: the weights are equal bit for bit, or success and final distance agree within the tolerances. 1: they do
not. The two runs are processes of their own, as two people's would be, in a temporary folder that is deleted.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from analysis.reports import EvalReport, TrainMeta, load, save
from analysis.repro import compared, describe, verdict
from common import provenance
from common.cli import guarded, parse
from common.errors import TrainingFailure, UserError
from common.files import check_writable, meta_path
from configs.train_config import Algo

TRAIN = Path(provenance.ROOT) / "train.py"


@dataclass(frozen=True)
class ReproConfig:
    """Train twice with one seed, evaluate both, compare."""

    algo: Algo
    """Learning algorithm."""
    env: str
    """Environment id."""
    total_steps: int | None = None
    """Environment steps of each run; by default the recipe's."""
    n_eval_episodes: int = 50
    """Held-out episodes for each, the same seeds."""
    her: bool = False
    """With hindsight."""
    seed: int = 0
    """Training seed of both."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where the networks live. Equality bit for bit is promised on the CPU alone."""
    tolerance_success: float = 0.05
    """Success rates may differ by this much (a fraction)."""
    tolerance_distance: float = 0.01
    """Mean final distances may differ by this much (m)."""
    json_out: str | None = None
    """Report to write."""
    kill: bool = False
    """Kill the second run halfway through (SIGKILL) and continue it with the same command."""
    smoke: bool = False
    """Make everything small, the report in a temporary folder: shows that the path works."""


def train_command(config: ReproConfig, out: Path) -> list[str]:
    """The command of one run, for a process of its own."""
    words = [sys.executable, str(TRAIN), "--algo", config.algo, "--env", config.env, "--seed", str(config.seed)]
    words += ["--device", config.device, "--track", "none", "--out", str(out)]
    if config.total_steps is not None and not config.smoke:
        words += ["--total-steps", str(config.total_steps)]
    return words + ["--her"] * config.her + ["--smoke"] * config.smoke


def train_once(config: ReproConfig, out: Path) -> TrainMeta:
    """One run from nothing, its progress on stderr. Raises `TrainingFailure` where it does not finish."""
    done = subprocess.run(train_command(config, out), stdout=subprocess.DEVNULL)
    if done.returncode:
        raise TrainingFailure(f"train.py ended with exit status {done.returncode}; nothing to compare.")
    return load(meta_path(f"{out}.zip"), TrainMeta)


def kill_in_the_middle(config: ReproConfig, out: Path) -> int:
    """Start the run, kill it once half of its steps are in a checkpoint; returns the steps in that checkpoint."""
    meta = meta_path(f"{out}.zip")
    process = subprocess.Popen(train_command(config, out), stdout=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            if meta.exists() and 2 * (state := load(meta, TrainMeta)).steps >= state.total_steps:
                break
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    state = load(meta, TrainMeta)
    if state.status != "running":
        raise TrainingFailure(f"the run ended ({state.status}) before it could be killed; take more steps.")
    return state.steps


def evaluate_once(config: ReproConfig, out: Path) -> EvalReport:
    """Its final checkpoint over the held-out episodes."""
    from eval import EvalConfig, evaluate

    episodes = 2 if config.smoke else config.n_eval_episodes
    return evaluate(EvalConfig(ckpt=f"{out}.zip", env=config.env, seeds="0", n_episodes=episodes))


def check(config: ReproConfig) -> int:
    """Train, evaluate, compare, say it; returns the exit status."""
    from train import TrainConfig, resolved_for

    # What is wrong with the flags is said here, in one line, and not by the first run.
    resolved_for(TrainConfig(config.algo, config.env, her=config.her, seed=config.seed, total_steps=config.total_steps))
    for flag, value in (("success", config.tolerance_success), ("distance", config.tolerance_distance)):
        if not 0 <= value < float("inf"):
            raise UserError(f"--tolerance-{flag} {value}: give a number that is not negative.")
    if config.n_eval_episodes < 1:
        raise UserError(f"--n-eval-episodes {config.n_eval_episodes}: at least one episode is needed.")
    json_out = config.json_out
    if json_out and config.smoke:
        json_out = str(Path(tempfile.mkdtemp(prefix="repro-")) / Path(json_out).name)
    if json_out:
        check_writable(json_out)
    began, metas, evaluations, killed_at = time.monotonic(), [], [], None
    with tempfile.TemporaryDirectory(prefix="repro-") as folder:
        for name in ("first", "second"):
            print(f"{name} run", flush=True)
            if config.kill and name == "second":
                killed_at = kill_in_the_middle(config, Path(folder) / name)
                print(f"killed with {killed_at:,} steps in its checkpoint; continuing", flush=True)
            metas.append(train_once(config, Path(folder) / name))
            evaluations.append(evaluate_once(config, Path(folder) / name))
    settings = {key: value for key, value in asdict(config).items() if key != "json_out"}
    report = compared(settings, metas, evaluations, time.monotonic() - began, killed_at)
    if json_out:
        save(json_out, report)
    status, meaning = verdict(report)
    print(describe(report))
    print(meaning)
    if json_out:
        print(f"report -> {json_out}")
    return status


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 reproduced, 1 not, 2 a mistake."""
    return guarded(lambda: check(parse(ReproConfig, argv, prog="check_repro.py")))


if __name__ == "__main__":
    sys.exit(main())
