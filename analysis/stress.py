"""The stress test of PickAndPlace: which factors are varied, what a point of a curve holds, and the curves as text.

One factor is moved at a time, everything else as the task has it; at the end all of them a little at once. Each point
tells goals in the air from goals on the table, since they fail for different reasons.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.compare import format_rate
from analysis.failures import KINDS, failures, in_air, kind_of_failure, stratified
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
    "object_range": (0.11, 0.18),
    "goal_range": (0.25, 0.4),
    "goal_height": (0.65, 1.0),
    "object_mass": (4.0, 16.0, 64.0),
    "object_friction": (0.25, 0.1, 0.03),
    "object_size": (0.4, 0.6, 1.4, 1.7),
}
UNITS = {"object_range": "m", "goal_range": "m", "goal_height": "m", "object_mass": "times", "object_friction": "times",
         "object_size": "times"}  # fmt: skip
TOGETHER = {"object_range": 0.165, "goal_range": 0.2, "goal_height": 0.65, "object_mass": 4.0, "object_friction": 0.25,
            "object_size": 1.2}  # fmt: skip


def points(factors: Sequence[str] = tuple(FACTORS), most: int | None = None) -> dict[str, dict[str, float]]:
    """The options of the task at each point, the first `most` by name. Raises `UserError` on an unknown factor."""
    found: dict[str, dict[str, float]] = {NOMINAL: {}}
    for factor in factors:
        if factor not in FACTORS:
            raise UserError(f"unknown factor {factor!r}; known: {', '.join(FACTORS)}.{closest(factor, FACTORS)}")
        found |= {f"{factor}={value:g}": {factor: value} for value in FACTORS[factor]}
    if len(factors) > 1:
        found["together"] = {factor: TOGETHER[factor] for factor in factors}
    return dict(list(found.items())[:most])


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
        "failed": [{"seed": t.seed, "kind": kind} for t in traces if (kind := kind_of_failure(t))],
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


def gallery(found: dict[str, dict[str, Any]], cells: int = 12) -> list[tuple[str, int, str]]:
    """At most `cells` failed episodes as (point, seed, kind): every kind in turn, seeds and points in their order.

    Nothing is chosen by eye: what is shown first is what comes first.
    """
    by_kind: dict[str, list[tuple[str, int, str]]] = {}
    for name, point in found.items():
        for episode in point["failed"]:
            by_kind.setdefault(episode["kind"], []).append((name, episode["seed"], episode["kind"]))
    # From another point each time, so that one hard point does not fill the gallery.
    queues = [_in_turn(by_kind[kind]) for kind in KINDS if kind in by_kind]
    chosen = [queue[i] for i in range(cells) for queue in queues if i < len(queue)]
    return chosen[:cells]


def _in_turn(episodes: list[tuple[str, int, str]]) -> list[tuple[str, int, str]]:
    """The same episodes, taking one of each point before the second of any."""
    seen: dict[str, int] = {}
    rounds = []
    for episode in episodes:
        seen[episode[0]] = seen.get(episode[0], -1) + 1
        rounds.append((seen[episode[0]], episode))
    return [episode for _, episode in sorted(rounds, key=lambda pair: pair[0])]
