"""Definitions of all per-episode metrics, computed from the record of an episode.

Lengths are in metres in MuJoCo's world frame, actions in the units of the action space, time in environment steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.reports import Aggregate, EpisodeRecord, Rate, Summary
from analysis.stats import mean_std, wilson

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Trace:
    """What one episode of T steps left behind.

    Row 0 of the arrays with T + 1 rows is the state that `reset` returned; row t is the state after step t.
    """

    seed: int
    # (T + 1, G): what counts as reached, m, world frame
    achieved_goals: Array
    # (G,): where it should be, m, world frame
    desired_goal: Array
    # (T + 1, 3): the gripper, m, world frame
    grip_positions: Array
    # (T,): the environment's rewards
    rewards: Array
    # (T,): the environment's `is_success` after each step
    successes: NDArray[np.bool_]
    # (T, A): the action that reached the simulator, after every wrapper and the simulator's own clipping
    applied_actions: Array
    # (T, A): the action that the policy asked for
    policy_actions: Array
    # m: nearer than this counts as solved
    distance_threshold: float
    # (T,): N, how hard the robot pressed on the object at the end of each step; None on a task without an object
    object_forces: Array | None = None
    # (T + 1, 7): rad, the joints of a Fetch arm from the shoulder on; None with another robot
    arm_angles: Array | None = None


def smoothness(actions: Array) -> float:
    """Σₜ ‖aₜ − aₜ₋₁‖² over t = 2 … T: 0 for a constant action, large for a trembling one. `actions`: (T, A)."""
    # Σ ‖a_t − a_{t−1}‖²
    return float(np.sum(np.diff(actions.astype(np.float64), axis=0) ** 2))


def episode_metrics(trace: Trace) -> EpisodeRecord:
    """All metrics of one episode; the report's schema names their units."""
    # d_t = ‖achieved_t − desired‖, (T + 1,)
    distances = np.linalg.norm(trace.achieved_goals.astype(np.float64) - trace.desired_goal, axis=1)
    solved_at_reset = bool(distances[0] < trace.distance_threshold)
    reached = np.flatnonzero(trace.successes)
    if solved_at_reset:
        time_to_success = 0
    else:
        time_to_success = int(reached[0]) + 1 if len(reached) else None
    return EpisodeRecord(
        seed=trace.seed,
        success=bool(trace.successes[-1]),
        success_any=bool(trace.successes.any()),
        success_distance=bool(distances[-1] < trace.distance_threshold),
        solved_at_reset=solved_at_reset,
        final_distance=float(distances[-1]),
        return_=float(np.sum(trace.rewards, dtype=np.float64)),
        length=len(trace.rewards),
        time_to_success=time_to_success,
        smoothness=smoothness(trace.applied_actions),
        peak_action=float(np.abs(trace.applied_actions).max()),
        policy_smoothness=smoothness(trace.policy_actions),
        policy_peak_action=float(np.abs(trace.policy_actions).max()),
        # Σ ‖x_t − x_{t−1}‖ along the gripper's way
        path_length=float(np.linalg.norm(np.diff(trace.grip_positions.astype(np.float64), axis=0), axis=1).sum()),
    )


def rate(flags: list[bool]) -> Rate:
    """Share of true flags with n and its Wilson 95% interval."""
    low, high = wilson(sum(flags), len(flags))
    return Rate(n=len(flags), successes=sum(flags), rate=sum(flags) / len(flags) if flags else None, low=low, high=high)


def summary(values: list[float]) -> Summary:
    """Mean ± sample standard deviation with n."""
    mean, std = mean_std(values)
    return Summary(n=len(values), mean=mean, std=std)


def aggregate(episodes: list[EpisodeRecord]) -> Aggregate:
    """All aggregates over `episodes`; rates of success also without the episodes that began solved."""
    net = [e for e in episodes if not e.solved_at_reset]
    names = ("final_distance", "return_", "length", "smoothness", "peak_action", "policy_smoothness",
             "policy_peak_action", "path_length")  # fmt: skip
    summaries = {name: summary([getattr(e, name) for e in episodes]) for name in names}
    return Aggregate(
        success=rate([e.success for e in episodes]),
        success_net=rate([e.success for e in net]),
        success_any=rate([e.success_any for e in episodes]),
        success_distance=rate([e.success_distance for e in episodes]),
        solved_at_reset=rate([e.solved_at_reset for e in episodes]),
        time_to_success=summary([e.time_to_success for e in episodes if e.time_to_success is not None]),
        **summaries,
    )
