"""A policy as a controller: the metrics of one episode, and their summary over many. The definitions, in one place.

Actions are those that reached the simulator, after every wrapper and its own clipping; `policy_*` are what the policy
asked for. The arm is driven by the first three numbers of an action, displacements in units of 5 cm a step; on Reach
and Push the fourth, the fingers, does nothing. Positions in m, time in steps of 40 ms, forces in N.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.metrics import Trace, episode_metrics, rate, smoothness
from analysis.stats import Z_95, mean_std

# Success "held" means at each of the last HELD steps; the error that remains is the mean over the same steps.
HELD = 10
# An action this large leaves the controller no reserve: the simulator clips at 1.
FULL = 0.99
ARM = 3
# name: (what it is, unit), in the order of tables
METRICS = {
    "time_to_success": ("first step at which the goal is reached", "steps"),
    "settling_time": ("step from which it stays reached until the end", "steps"),
    "overshoot": ("how far beyond the goal, along the line from the start", "m"),
    "steady_state_error": (f"mean distance to the goal over the last {HELD} steps", "m"),
    "path_length": ("way of the gripper", "m"),
    "smoothness": ("sum of squared action changes, all four numbers", ""),
    "arm_smoothness": ("the same of the three that move the arm", ""),
    "policy_smoothness": ("sum of squared changes of what the policy asked for", ""),
    "reversals": ("steps at which the arm's action turns by more than a right angle", ""),
    "saturated": ("share of steps with a component at its limit", ""),
    "energy": ("sum of squared actions of the arm", ""),
    "peak_action": ("largest component of an action", ""),
    "touches": ("times that contact with the object begins", ""),
    "force": ("mean force of the robot on the object, while they touch", "N"),
    "force_peak": ("its largest sample", "N"),
}
FLAGS = ("success", "held", "success_any", "solved_at_reset")


def overshoot(achieved: np.ndarray, goal: np.ndarray) -> float:
    """How far `achieved` (T + 1, 3) ever is beyond `goal` (3,) on the line from its first row to the goal, m."""
    way = goal - achieved[0]
    length = float(np.linalg.norm(way))
    if length < 1e-9:
        return 0.0
    # max_t (x_t − g) · e with e = (g − x_0) / ‖g − x_0‖, and at least 0
    return max(0.0, float(((achieved - goal) @ (way / length)).max()))


def settling_time(distances: np.ndarray, band: float) -> int | None:
    """The first step from which all `distances` (T + 1,) lie below `band`, both m; None where the last one does not."""
    outside = np.flatnonzero(~(distances < band))
    if len(outside) and outside[-1] == len(distances) - 1:
        return None
    return int(outside[-1]) + 1 if len(outside) else 0


def reversals(actions: np.ndarray) -> int:
    """How often successive actions (T, A) point more than a right angle apart."""
    # a_t · a_{t−1} < 0
    return int(np.sum(np.sum(actions[1:] * actions[:-1], axis=1) < 0))


def control_row(trace: Trace) -> dict[str, Any]:
    """All of it for one episode: the entries of `FLAGS` and `METRICS`. What does not exist there is None."""
    episode = episode_metrics(trace)
    achieved, goal = trace.achieved_goals.astype(np.float64), trace.desired_goal
    distances = np.linalg.norm(achieved - goal, axis=1)
    arm = trace.applied_actions[:, :ARM]
    forces = trace.object_forces
    pressed = np.zeros(0, bool) if forces is None else forces > 0
    return {
        "success": episode.success,
        "held": bool(trace.successes[-HELD:].all()),
        "success_any": episode.success_any,
        "solved_at_reset": episode.solved_at_reset,
        "time_to_success": episode.time_to_success,
        "settling_time": settling_time(distances, trace.distance_threshold),
        "overshoot": overshoot(achieved, goal),
        "steady_state_error": float(distances[-HELD:].mean()),
        "path_length": episode.path_length,
        "smoothness": episode.smoothness,
        "arm_smoothness": smoothness(arm),
        "policy_smoothness": episode.policy_smoothness,
        "reversals": reversals(arm),
        "saturated": float((np.abs(arm).max(axis=1) >= FULL).mean()),
        # Σ ‖u_t‖²
        "energy": float((arm**2).sum()),
        "peak_action": episode.peak_action,
        "touches": None if forces is None else int(np.sum(pressed & ~np.append(False, pressed[:-1]))),
        "force": float(forces[pressed].mean()) if pressed.any() else None,
        "force_peak": None if forces is None else float(forces.max()),
    }


def mean_interval(values: Sequence[float]) -> dict[str, float | int | None]:
    """n, mean, standard deviation, and the 95% interval of the mean (normal; for n of at least 30 or so)."""
    mean, std = mean_std(values)
    half = None if std is None else Z_95 * std / math.sqrt(len(values))
    low, high = (None, None) if mean is None or half is None else (mean - half, mean + half)
    return {"n": len(values), "mean": mean, "std": std, "low": low, "high": high}


def summarise(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rates of `FLAGS` with Wilson intervals (`success_net` leaves out what began solved), means of `METRICS`.

    Times are over the episodes that have one, forces over those with contact.
    """
    net = [row["success"] for row in rows if not row["solved_at_reset"]]
    rates = {flag: rate([row[flag] for row in rows]).model_dump() for flag in FLAGS}
    means = {name: mean_interval([row[name] for row in rows if row[name] is not None]) for name in METRICS}
    return rates | {"success_net": rate(net).model_dump()} | means
