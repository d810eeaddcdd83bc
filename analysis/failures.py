"""Why an episode of moving an object failed, by rule and not by eye; and air goals apart from goals on the table.

The rules read the recorded positions alone (m, world frame). Each failed episode gets the first name that fits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from analysis.metrics import Trace, rate
from analysis.reports import Rate

LIFTED = 0.02
"""m: an object this far above its start has been lifted; a block that tips over on the table rises less."""
HELD = 0.04
"""m: an object whose centre is this near to the gripper's is between the fingers."""
MOVED = 0.02
"""m: less than this is the settling of the object and the recording's noise."""
KINDS = {
    "never touched": "the object stays within 2 cm of its start",
    "missed grasp": "the goal is in the air, the object moves and is never lifted by 2 cm",
    "dropped": "the object was lifted by 2 cm and ends on the table, away from the gripper",
    "out of reach": "at the end the gripper holds the object away from the goal",
    "overshoot": "the object was within the threshold of the goal and has left it",
    "short": "the object moved and never came within the threshold of the goal",
}


def kind_of_failure(trace: Trace) -> str | None:
    """A key of `KINDS`, None for an episode that ends in success."""
    if trace.successes[-1]:
        return None
    places = trace.achieved_goals.astype(np.float64)
    height = places[:, 2] - places[0, 2]
    lifted = height.max() > LIFTED
    held_at_end = np.linalg.norm(places[-1] - trace.grip_positions[-1]) < HELD
    inside = np.linalg.norm(places - trace.desired_goal, axis=1) < trace.distance_threshold
    if np.linalg.norm(places - places[0], axis=1).max() < MOVED:
        return "never touched"
    if lifted and held_at_end:
        return "out of reach"
    if lifted and height[-1] < LIFTED:
        return "dropped"
    if in_air(trace) and not lifted:
        return "missed grasp"
    return "overshoot" if inside.any() else "short"


def in_air(trace: Trace) -> bool:
    """Whether the goal lies more than 2 cm above the place where the object started."""
    return bool(trace.desired_goal[2] - trace.achieved_goals[0, 2] > LIFTED)


def stratified(traces: Sequence[Trace]) -> dict[str, Rate]:
    """Success at the last step over all episodes, and over those with the goal in the air and on the table."""
    groups: dict[str, list[Trace]] = {"all": list(traces), "air": [], "table": []}
    for trace in traces:
        groups["air" if in_air(trace) else "table"].append(trace)
    return {name: rate([bool(t.successes[-1]) for t in group]) for name, group in groups.items()}


def failures(traces: Sequence[Trace]) -> dict[str, int]:
    """How many of `traces` failed in which way; every kind is named."""
    found = Counter(kind_of_failure(trace) for trace in traces)
    return {kind: found[kind] for kind in KINDS}
