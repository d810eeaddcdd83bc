"""Compare two runs of one command: are they equal, and if not, do they behave alike?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.compare import format_rate
from analysis.reports import EvalReport, ReproReport, TrainMeta
from common import provenance
from common.errors import TrainingFailure


def compared(
    settings: dict[str, Any], metas: Sequence[TrainMeta], evaluations: Sequence[EvalReport], seconds: float,
    killed_at: int | None = None,
) -> ReproReport:  # fmt: skip
    """Both runs in one report; `settings` name the task, the seed and the tolerances.

    Raises `TrainingFailure` where a rate is not defined.
    """
    rates = [report.aggregate.success for report in evaluations]
    distances = [report.aggregate.final_distance.mean for report in evaluations]
    if any(rate.rate is None for rate in rates) or None in distances:
        raise TrainingFailure("no episodes were evaluated; give --n-eval-episodes 1 or more.")
    hashes = {meta.weights_sha256 for meta in metas}
    # 1.0 - 0.95 is a little more than 0.05 in binary: what equals the tolerance on paper is within it.
    close = (
        abs(rates[0].rate - rates[1].rate) <= settings["tolerance_success"] + 1e-9
        and abs(distances[0] - distances[1]) <= settings["tolerance_distance"] + 1e-9
    )
    first = metas[0]
    return ReproReport(
        **provenance.metadata(
            settings, env_id=settings["env"], seeds=[settings["seed"]], device=first.device, n_envs=first.n_envs,
            wall_clock_s=round(seconds, 1), steps_per_second=first.steps_per_second,
            updates_per_second=first.updates_per_second, evaluation_protocol=evaluations[0].evaluation_protocol,
        ),
        weights_equal=len(hashes) == 1 and None not in hashes, success=rates, mean_final_distance=distances,
        tolerance_success=settings["tolerance_success"], tolerance_distance=settings["tolerance_distance"],
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
