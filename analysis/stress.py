"""The stress test of PickAndPlace: which factors are varied, what a point of a curve holds, and the curves as text.

One factor is moved at a time, everything else as the task has it; at the end all of them a little at once. Each point
tells goals in the air from goals on the table, since they fail for different reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.compare import format_rate
from analysis.failures import KINDS, failures, in_air, stratified
from analysis.metrics import Trace, aggregate, episode_metrics
from analysis.reports import Rate
from analysis.sweeps import aligned
from common.errors import UserError, closest

NOMINAL = "nominal"
# The task's own value of each factor, and the values at which it is tried. Ranges and heights in m, the rest factors.
# The gripper starts 19 cm from the far edge of the table, so an object range beyond that would drop objects.
OWN = {"object_range": 0.15, "goal_range": 0.15, "goal_height": 0.45, "object_mass": 1.0, "object_friction": 1.0,
       "object_size": 1.0}  # fmt: skip
FACTORS = {
    "object_range": (0.165, 0.18),
    "goal_range": (0.2, 0.25, 0.3),
    "goal_height": (0.55, 0.65),
    "object_mass": (0.25, 4.0, 16.0),
    "object_friction": (0.5, 0.25, 0.1),
    "object_size": (0.6, 0.8, 1.2, 1.4),
}
UNITS = {"object_range": "m", "goal_range": "m", "goal_height": "m", "object_mass": "times", "object_friction": "times",
         "object_size": "times"}  # fmt: skip
TOGETHER = {"object_range": 0.165, "goal_range": 0.2, "goal_height": 0.5, "object_mass": 2.0, "object_friction": 0.5,
            "object_size": 1.1}  # fmt: skip


def points(factors: Sequence[str] = tuple(FACTORS)) -> dict[str, dict[str, float]]:
    """The options of the task at each point, by the point's name. Raises `UserError` on an unknown factor."""
    found: dict[str, dict[str, float]] = {NOMINAL: {}}
    for factor in factors:
        if factor not in FACTORS:
            raise UserError(f"unknown factor {factor!r}; known: {', '.join(FACTORS)}.{closest(factor, FACTORS)}")
        found |= {f"{factor}={value:g}": {factor: value} for value in FACTORS[factor]}
    if len(factors) > 1:
        found["together"] = {factor: TOGETHER[factor] for factor in factors}
    return found


def options(point: dict[str, float]) -> tuple[str, ...]:
    """A point's options as `--env-option` takes them."""
    return tuple(f"{name}={value:g}" for name, value in point.items())


def examined(traces: Sequence[Trace]) -> dict[str, Any]:
    """What the episodes of one point say: success by stratum, failures by stratum and kind, and how they were acted."""
    groups = {"air": [t for t in traces if in_air(t)], "table": [t for t in traces if not in_air(t)]}
    total = aggregate([episode_metrics(trace) for trace in traces])
    return {
        "n": len(traces),
        "success": {name: found.model_dump() for name, found in stratified(traces).items()},
        "success_net": total.success_net.model_dump(),
        "failures": {name: failures(group) for name, group in groups.items()},
        "smoothness": total.smoothness.model_dump(),
        "final_distance": total.final_distance.model_dump(),
    }


def commonest(point: dict[str, Any]) -> str:
    """'missed grasp 12, dropped 3': the kinds of failure of a point, most frequent first; '' where none failed."""
    counts = {kind: point["failures"]["air"][kind] + point["failures"]["table"][kind] for kind in KINDS}
    return ", ".join(f"{kind} {n}" for kind, n in sorted(counts.items(), key=lambda item: -item[1]) if n)


def stress_text(found: dict[str, dict[str, Any]]) -> str:
    """One line a point: success over all goals, in the air and on the table, and how the rest failed."""
    rows = [
        [
            name,
            *[format_rate(Rate.model_validate(point["success"][g])) for g in ("all", "air", "table")],
            commonest(point),
        ]
        for name, point in found.items()
    ]
    return aligned(("point", "all goals", "in the air", "on the table", "failures"), rows)
