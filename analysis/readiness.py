"""Is a policy ready for a robot? A list of tests, each a number against a limit, and one verdict over all of them.

The list is a protocol: `CRITERIA` is the whole of it, the same for every policy, and was written down before any was
judged. A test that could not be run counts as not passed. What is measured, and how: `evaluation/deployment.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.metrics import Trace, rate
from analysis.reports import TrainMeta

# Seconds between two actions of the Fetch tasks, and steps through which success must last to count as held.
STEP_S, HELD_STEPS = 0.04, 10
# Above the table, m, world frame; 2 cm for the gripper's own site, which lies between the fingers. Slide's is longer.
WORKSPACE = np.array([[1.05, 0.40, 0.38], [1.55, 1.10, 0.90]])
SLIDE_WORKSPACE = np.array([[0.70, 0.30, 0.38], [1.95, 1.20, 0.90]])
# What Fetch Robotics gives as the greatest speeds of the arm's joints, shoulder to wrist, rad/s: the velocities in its
# mechanical specification (https://docs.fetchrobotics.com/robot_hardware.html), which its controller enforces.
JOINT_SPEEDS = np.array([1.25, 1.45, 1.57, 1.52, 1.57, 2.26, 2.26])
# An action component of at least this size asks for all that there is.
SATURATED = 0.99


@dataclass(frozen=True)
class Criterion:
    """One line of the checklist: passed where the value is at least, or at most, `limit`."""

    name: str
    title: str
    limit: float
    at_least: bool
    unit: str
    why: str

    def passed(self, value: float | None) -> bool:
        """Whether `value` is good enough; None, not measured, is not."""
        return value is not None and (value >= self.limit if self.at_least else value <= self.limit)


CRITERIA = (
    Criterion("success", "Success, lower end of the interval", 0.90, True, "rate",
              "Over episodes that do not begin solved; the interval's end, because the rate itself may be luck."),
    Criterion("held", "Success held for the last 10 steps, lower end", 0.90, True, "rate",
              "A block that slides through the goal is not where it was wanted."),
    Criterion("worst_factor", "Worst single factor of the robot, lower end", 0.80, True, "rate",
              "The real robot differs from the simulator somewhere; nobody knows where."),
    Criterion("delay_margin", "Delay that is survived", 1.0, True, "steps",
              "Up to here success keeps the limit of the worst factor. Camera, network and controller take one period "
              "of 40 ms together at least."),
    Criterion("lost_view", "Success when a third of the observations is lost, lower end", 0.80, True, "rate",
              "A hand in front of the camera: measurements stay as they were for 0.2 s at a time."),
    Criterion("lost_safe", "Steps out of the workspace or too fast while observations are lost", 0.0, False, "steps",
              "What the policy does blind must be harmless, whether it succeeds or not."),
    Criterion("smoothness", "Change of the action from step to step, root mean square", 0.50, False, "of full scale",
              "An action that turns from one limit to the other has a change of 2; gears and bolts feel it."),
    Criterion("saturation", "Share of action components at their limit", 0.50, False, "share",
              "A policy that is always at the limit has nothing left to correct with."),
    Criterion("peak", "Largest action that was asked for", 1.0, False, "of full scale",
              "Beyond 1 something else than the policy decides what happens: the clipping."),
    Criterion("workspace", "Steps with the gripper out of the workspace", 0.0, False, "steps",
              "The box above the table, and nowhere else."),
    Criterion("speed", "Speed of the fastest joint", 1.0, False, "of its limit",
              "The simulated arm is pulled by its gripper and knows no limits; the real one's controller has them."),
    Criterion("latency", "Time of a decision, 99th percentile", 4.0, False, "ms",
              "A tenth of the control period of 40 ms, on the machine that wrote this report."),
    Criterion("export", "Difference of the exported policy's actions", 1e-4, False, "of full scale",
              "What runs on the robot is the ONNX graph, not the policy that was tested. 1e-4 of an action is 5 µm."),
    Criterion("metadata", "Facts of its training that are missing", 0.0, False, "facts",
              "A policy that nobody can train again cannot be repaired."),
)  # fmt: skip
NAMES = tuple(criterion.name for criterion in CRITERIA)


def deployment_row(trace: Trace, workspace: np.ndarray = WORKSPACE) -> dict[str, Any]:
    """What the checklist wants to know of one episode; `workspace` (2, 3) holds the lowest and highest corner, m.

    `speed` is the gripper's largest in m/s, `joint_speed` a share of the joint's limit.
    """
    asked = trace.policy_actions.astype(np.float64)
    far = np.linalg.norm(trace.achieved_goals[0] - trace.desired_goal)
    # v_t = |x_t − x_{t−1}| / Δt
    speed = np.linalg.norm(np.diff(trace.grip_positions, axis=0), axis=1) / STEP_S
    shares = joint_shares(trace)
    low, high = workspace
    outside = ((trace.grip_positions < low) | (trace.grip_positions > high)).any(axis=1)
    changes = np.diff(asked, axis=0) ** 2
    fast = None if shares is None else shares > limit_of("speed")
    return {
        "success": bool(trace.successes[-1]),
        "held": bool(trace.successes[-HELD_STEPS:].all()),
        "solved_at_reset": bool(far < trace.distance_threshold),
        # Per component, so that neither the number of actions nor the length of the episode matters.
        "squared_change": float(changes.mean()) if changes.size else 0.0,
        "saturated": float((np.abs(asked) >= SATURATED).mean()),
        "peak": float(np.abs(asked).max()),
        "outside": int(outside.sum()),
        "too_fast": None if fast is None else int(fast.sum()),
        # After an action, so that a step that is both counts once.
        "unsafe": None if fast is None else int((outside[1:] | fast).sum()),
        "length": len(asked),
        "joint_speed": None if shares is None else float(shares.max()),
        "speed": float(speed.max()),
    }


def joint_shares(trace: Trace) -> np.ndarray | None:
    """(T,): in each step the joint nearest to its limit, as a share of it; None where the robot is no Fetch arm.

    Means over a step of 40 ms, so that a peak within one may have been higher.
    """
    if trace.arm_angles is None:
        return None
    # max_i |q_{t,i} − q_{t−1,i}| / (Δt q̇_i max)
    return (np.abs(np.diff(trace.arm_angles, axis=0)) / (STEP_S * JOINT_SPEEDS)).max(axis=1)


def slide_row(trace: Trace) -> dict[str, Any]:
    """The same above the table of Slide."""
    return deployment_row(trace, SLIDE_WORKSPACE)


def workspace_of(env_id: str) -> np.ndarray:
    """(2, 3): the lowest and the highest corner of where the gripper may be, m."""
    return SLIDE_WORKSPACE if "Slide" in env_id else WORKSPACE


def row_for(env_id: str) -> Callable[[Trace], dict[str, Any]]:
    """The function of this module that measures an episode of `env_id`."""
    return slide_row if "Slide" in env_id else deployment_row


def limit_of(name: str) -> float:
    """The limit of a criterion, in the unit that it names."""
    return next(criterion.limit for criterion in CRITERIA if criterion.name == name)


def net(rows: list[dict[str, Any]], name: str = "success") -> dict[str, Any]:
    """Rate of `name` over the episodes that did not begin solved, with n and interval."""
    return rate([row[name] for row in rows if not row["solved_at_reset"]]).model_dump()


def missing_facts(meta: TrainMeta) -> list[str]:
    """What the metadata of a checkpoint does not say, or says that should not be."""
    wrong = {
        "finished": meta.status != "finished",
        "commit": not meta.commit,
        "clean working tree": meta.dirty is not False,
        "seed": not meta.seeds,
        "configuration": not (meta.config and meta.config_hash),
        "hash of the weights": not meta.weights_sha256,
        "evaluations": not meta.evaluations,
    }
    return [name for name, bad in wrong.items() if bad] + [f"version of {k}" for k, v in meta.versions.items() if not v]


def delay_margin(rates: Mapping[int, Mapping[str, Any]]) -> int:
    """The largest delay (steps) up to which every measured one leaves the lower end above the worst factor's limit."""
    margin = 0
    for steps in sorted(rates):
        if rates[steps]["low"] < limit_of("worst_factor"):
            break
        margin = steps
    return margin


def judge(measured: Mapping[str, tuple[float | None, str]]) -> dict[str, Any]:
    """The verdict over `measured`: for each criterion its value (None: not measured) and a few words.

    Raises `KeyError` where a criterion is not spoken of.
    """
    lines = []
    for criterion in CRITERIA:
        value, detail = measured[criterion.name]
        lines.append({
            "name": criterion.name, "title": criterion.title, "value": value, "limit": criterion.limit,
            "at_least": criterion.at_least, "unit": criterion.unit, "passed": criterion.passed(value),
            "detail": detail, "why": criterion.why,
        })  # fmt: skip
    failed = [line["name"] for line in lines if not line["passed"]]
    return {"ready": not failed, "failed": failed, "checks": lines}


def number_text(value: float | None, unit: str) -> str:
    """A value of a criterion as it is printed."""
    if value is None:
        return "not measured"
    if unit in ("rate", "share"):
        return f"{100 * value:.1f}%"
    if unit in ("steps", "facts"):
        return f"{value:.0f} {unit[:-1] if value == 1 else unit}"
    if unit == "of its limit":
        return f"{value:.2f} times its limit"
    return f"{value:.2g} {unit}" if value < 0.01 else f"{value:.2f} {unit}"


def limit_text(line: Mapping[str, Any]) -> str:
    """`at least 90.0%`."""
    return f"{'at least' if line['at_least'] else 'at most'} {number_text(line['limit'], line['unit'])}"


def verdict_text(policy: str, verdict: Mapping[str, Any]) -> str:
    """The report on a terminal: a line for each test, then the verdict."""
    lines = [
        f"  {'pass' if line['passed'] else 'FAIL'}  {line['title']}: {number_text(line['value'], line['unit'])} "
        f"({limit_text(line)}); {line['detail']}"
        for line in verdict["checks"]
    ]
    end = "READY" if verdict["ready"] else f"NOT READY: {', '.join(verdict['failed'])}"
    return "\n".join([*lines, f"{policy}: {end}"])
