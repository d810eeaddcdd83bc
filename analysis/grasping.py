"""How far towards picking and placing an episode got: reach, touch, grasp, lift, place; and what a policy's grade is.

A return says that something is better than before; these five say what. The rules read recorded positions alone (m,
world frame). Each asks for more than the one before it, but for a block that the wrist knocks: touched, not reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.failures import HELD, MOVED, in_air
from analysis.metrics import Trace, rate, smoothness
from analysis.stats import mean_std

NEAR = 0.05
"""m: the gripper's centre has reached an object whose centre is this near; the object's edge is 5 cm long."""
OFF_THE_TABLE, HIGH = 0.01, 0.05
"""m above the start of the object: less is a block that tips over; more is a lift that a goal in the air needs."""
IN_A_ROW = 5
"""Steps (0.2 s) for which the object is in the gripper: a bounce is shorter."""
STAGES = {
    "reach": "the gripper came within 5 cm of the object",
    "touch": "the object moved by 2 cm",
    "grasp": "the object was within 4 cm of the gripper and 1 cm above its start for 5 steps in a row",
    "lift": "the same, 5 cm above its start",
    "place": "the object is within 5 cm of the goal at the last step",
}


def _held_above(trace: Trace, height: float) -> bool:
    """Whether the gripper held the object more than `height` above its start for `IN_A_ROW` steps."""
    places = trace.achieved_goals.astype(np.float64)
    held = np.linalg.norm(places - trace.grip_positions, axis=1) < HELD
    held &= places[:, 2] - places[0, 2] > height
    run = 0
    for now in held:
        run = run + 1 if now else 0
        if run == IN_A_ROW:
            return True
    return False


def stages_of(trace: Trace) -> dict[str, bool]:
    """Which of `STAGES` the episode reached. A goal on the table asks for neither grasp nor lift."""
    places = trace.achieved_goals.astype(np.float64)
    return {
        "reach": bool(np.linalg.norm(places - trace.grip_positions, axis=1).min() < NEAR),
        "touch": bool(np.linalg.norm(places - places[0], axis=1).max() > MOVED),
        "grasp": _held_above(trace, OFF_THE_TABLE),
        "lift": _held_above(trace, HIGH),
        "place": bool(trace.successes[-1]),
    }


def graded(traces: Sequence[Trace]) -> dict[str, Any]:
    """Rates of every stage, over all episodes and apart for goals in the air and on the table, and the verdict.

    The verdict is the last stage that at least half of the episodes with a goal in the air reached, each stage before
    it included; `nothing` where they do not even reach. `smoothness`: mean over the episodes of Σ‖a_t − a_(t−1)‖² per
    step; four numbers drawn uniformly from [−1, 1] have 8/3.
    """
    if not traces:
        raise ValueError("no episodes")
    groups = {
        "all": list(traces),
        "air": [t for t in traces if in_air(t)],
        "table": [t for t in traces if not in_air(t)],
    }
    found: dict[str, Any] = {}
    for name, group in groups.items():
        reached = [stages_of(trace) for trace in group]
        found[name] = {stage: rate([one[stage] for one in reached]).model_dump() for stage in STAGES}
    found["verdict"] = "nothing"
    for stage in STAGES:
        if not found["air"][stage]["n"] or found["air"][stage]["rate"] < 0.5:
            break
        found["verdict"] = stage
    each = [smoothness(trace.applied_actions) / (len(trace.applied_actions) - 1) for trace in traces]
    mean, std = mean_std(each)
    found["smoothness"] = {"n": len(each), "mean": mean, "std": std}
    return found


def graded_text(found: dict[str, Any]) -> str:
    """The grades as aligned text, one line a stage."""
    from analysis.compare import format_rate
    from analysis.reports import Rate
    from analysis.sweeps import aligned

    rows = [
        [stage, *[format_rate(Rate.model_validate(found[group][stage])) for group in ("all", "air", "table")]]
        for stage in STAGES
    ]
    calm = found["smoothness"]
    return "\n".join([
        aligned(("stage", "all goals", "in the air", "on the table"), rows),
        f"verdict on goals in the air: {found['verdict']}; mean squared change of the action {calm['mean']:.2f} a step "
        "(uniformly random actions: 2.67)",
    ])  # fmt: skip
