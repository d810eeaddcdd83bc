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

from analysis import provenance
from analysis.compare import format_rate
from analysis.errors import TrainingFailure, UserError
from analysis.files import check_writable
from analysis.reports import EvalReport, ReproReport, TrainMeta, load, save
from configs.cli import guarded, parse
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
    """Kill the second run in its middle (SIGKILL) and continue it with the same command."""
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
    return load(out.with_name(out.name + ".meta.json"), TrainMeta)


def kill_in_the_middle(config: ReproConfig, out: Path) -> int:
    """Start the run, kill it once half of its steps are in a checkpoint; returns the steps in that checkpoint."""
    meta = out.with_name(out.name + ".meta.json")
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


def compared(
    config: ReproConfig, metas: Sequence[TrainMeta], evaluations: Sequence[EvalReport], seconds: float,
    killed_at: int | None = None,
) -> ReproReport:  # fmt: skip
    """Both runs in one report. Raises `TrainingFailure` where a rate is not defined."""
    rates = [report.aggregate.success for report in evaluations]
    distances = [report.aggregate.final_distance.mean for report in evaluations]
    if any(rate.rate is None for rate in rates) or None in distances:
        raise TrainingFailure("no episodes were evaluated; give --n-eval-episodes 1 or more.")
    hashes = {meta.weights_sha256 for meta in metas}
    # 1.0 - 0.95 is a little more than 0.05 in binary: what equals the tolerance on paper is within it.
    close = (
        abs(rates[0].rate - rates[1].rate) <= config.tolerance_success + 1e-9
        and abs(distances[0] - distances[1]) <= config.tolerance_distance + 1e-9
    )
    first = metas[0]
    settings = asdict(config)
    del settings["json_out"]
    return ReproReport(
        **provenance.metadata(
            settings, env_id=config.env, seeds=[config.seed], device=first.device, n_envs=first.n_envs,
            wall_clock_s=round(seconds, 1), steps_per_second=first.steps_per_second,
            updates_per_second=first.updates_per_second, evaluation_protocol=evaluations[0].evaluation_protocol,
        ),
        weights_equal=len(hashes) == 1 and None not in hashes, success=rates, mean_final_distance=distances,
        tolerance_success=config.tolerance_success, tolerance_distance=config.tolerance_distance,
        within_tolerance=close, weights_sha256=[meta.weights_sha256 for meta in metas], killed_at_steps=killed_at,
    )  # fmt: skip


def verdict(report: ReproReport) -> tuple[int, str]:
    """(exit status, what it means in one line)."""
    if report.weights_equal and report.within_tolerance:
        return 0, "equal bit for bit: both runs ended with the same weights"
    if report.weights_equal:
        return 1, "NOT reproducible: the same weights, and evaluations that differ; the simulator is not deterministic"
    if report.within_tolerance:
        return 0, "within tolerance: other weights, the same behaviour"
    return 1, "NOT reproducible: other weights, and the evaluations differ by more than the tolerance"


def describe(report: ReproReport) -> str:
    """The two runs side by side."""
    success, distance = report.success, report.mean_final_distance
    return "\n".join([
        f"weights         {'equal' if report.weights_equal else 'different'}",
        f"success         {format_rate(success[0])} | {format_rate(success[1])}  "
        f"(may differ by {100 * report.tolerance_success:g} points)",
        f"final distance  {100 * distance[0]:.3f} cm | {100 * distance[1]:.3f} cm  "
        f"(may differ by {100 * report.tolerance_distance:g} cm)",
    ])  # fmt: skip


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
    report = compared(config, metas, evaluations, time.monotonic() - began, killed_at)
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
