"""A rehearsal of system identification: one simulator plays the real robot, another one is fitted to its logs.

The robot is `ROBOT`: stiffer, further reaching and later than the simulator that the policy was trained in, with a
heavier and more slippery block. Nothing of it is told to the identification but its logs, and the size of its block,
which a ruler would measure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from analysis.identification import identifiability, parameter_error
from analysis.readiness import deployment_row, net
from envs.identification import ARM, OBJECT, SIGMA, Log, Simulator, Stage, Waving, identify, plant_text, record
from envs.task import Task
from evaluation.grid import Point, evaluate_grid
from evaluation.subject import Wanted, checkpoint

ROBOT = {"mass": 1.5, "friction": 0.6, "lag": 0.65, "damping": 2.5, "gain": 1.15, "delay": 1.0, "noise": SIGMA}
TRUE = {name: value for name, value in ROBOT.items() if name != "noise"}
# Seeds of the logs: neither training's nor those of evaluations.
FIRST_LOG, FIRST_VALIDATION = 5000, 6000
ARM_STEPS, PUSH_STEPS = 12, 20


def logged(path: str, env_id: str, first: int, count: int) -> dict[str, list[Log]]:
    """`count` logs of the arm in the air and `count` of pushing by the policy at `path`, both on the robot."""
    robot = Task(env_id, (plant_text(ROBOT),))
    policy = checkpoint(path, Wanted(env_id)).make_policy()
    pushes = record(policy, robot, range(first, first + count), PUSH_STEPS)
    return {
        "gripper": record(Waving(), robot, range(first, first + count), ARM_STEPS),
        "object": [log.until_pushed() for log in pushes],
    }


STAGES: dict[str, Stage] = {"gripper": ARM, "object": OBJECT}


def can_be_found(simulator: Simulator, logs: dict[str, list[Log]]) -> dict[str, Any]:
    """Identifiability of each stage's parameters at the nominal robot, before anything is fitted.

    Information is that of one point. For the arm that hardly matters; a push through a contact has to be asked again
    once the arm is known (`fitted`): with the nominal arm its derivatives depend on the size of their step.
    `crossed` asks the logs of the arm in the air for the object's parameters, which they cannot know.
    """
    found = {
        name: identifiability(simulator.jacobian({}, logs[name], stage), stage.names) for name, stage in STAGES.items()
    }
    in_the_air = Stage(OBJECT.names, OBJECT.columns, OBJECT.sigma)
    crossed = identifiability(simulator.jacobian({}, logs["gripper"], in_the_air), OBJECT.names)
    return found | {"crossed": crossed}


def rehearse(path: str, env_id: str, counts: Sequence[int], validation: int,
             tell: Callable[[str], None] = print) -> dict[str, Any]:  # fmt: skip
    """Identify the robot from the first of `counts` logs of each kind, then from more; validated on other logs.

    Raises `UserError` without the packages of `mujoco.sysid`.
    """
    training = logged(path, env_id, FIRST_LOG, max(counts))
    unseen = logged(path, env_id, FIRST_VALIDATION, validation)
    with contextlib.closing(Simulator(env_id)) as simulator:
        check = can_be_found(simulator, training)
        rows = [fitted(simulator, {k: logs[:n] for k, logs in training.items()}, unseen, tell) for n in counts]
    return {"robot": ROBOT, "identifiability": check, "rows": rows, "wrap": plant_text(_rounded(rows[-1]))}


def fitted(simulator: Simulator, logs: dict[str, list[Log]], unseen: dict[str, list[Log]],
           tell: Callable[[str], None]) -> dict[str, Any]:  # fmt: skip
    """One identification, the arm before what it pushes: parameters with intervals, and errors of predictions."""
    count = len(logs["gripper"])
    tell(f"{count} logs of each kind")
    before = simulator.runs
    arm = identify(simulator, logs["gripper"], ARM, {}, tell=tell)
    delays = arm["remaining"]
    # Only now: of another arm the same actions push the block elsewhere, and say nothing about this push.
    asked = identifiability(simulator.jacobian(arm["values"], logs["object"], OBJECT), OBJECT.names)
    block = identify(simulator, logs["object"], OBJECT, arm["values"], tell=tell)
    # Fingers begin on the table, so that its friction shows in the arm a little: both once more, now that it is known.
    arm = identify(simulator, logs["gripper"], replace(ARM, delay=False), block["values"], tell=tell)
    block = identify(simulator, logs["object"], OBJECT, arm["values"], tell=tell)
    values = block["values"]
    parameters = {
        name: {"true": TRUE[name], "found": values[name], "low": stage["low"][name], "high": stage["high"][name]}
        for stage in (arm, block) for name in stage["low"]
    }  # fmt: skip
    for name, stage in STAGES.items():
        spread = identifiability(simulator.jacobian(values, logs[name], stage), stage.names)["parameters"]
        for ratio in stage.names:
            parameters[ratio] |= {key: spread[ratio][key] for key in ("std", "identifiable")}
    return {
        "logs": count,
        "asked_with_the_arm_known": asked["parameters"],
        "parameters": parameters,
        "delay": {"true": TRUE["delay"], "found": values["delay"], "remaining": delays},
        "remaining_object": block["remaining"],
        "parameter_error": parameter_error({name: row["found"] for name, row in parameters.items()}, TRUE),
        "validation": {
            name: {
                "nominal": simulator.error({}, unseen[name], stage),
                "identified": simulator.error(values, unseen[name], stage),
                "true": simulator.error(TRUE, unseen[name], stage),
            }
            for name, stage in STAGES.items()
        },
        "simulated_trajectories": simulator.runs - before,
    }


def _rounded(row: dict[str, Any]) -> dict[str, float]:
    return {name: p["found"] for name, p in row["parameters"].items()} | {"delay": row["delay"]["found"]}


ON = {"simulator": (), "robot": (plant_text(ROBOT),)}


def on_the_robot(paths: dict[str, str], env_id: str, episodes: int, faster: Callable[[Any], Any],
                 keep: Any = None, robots: Mapping[str, tuple[str, ...]] = ON) -> dict[str, Any]:  # fmt: skip
    """Success of the checkpoints `paths`, by name, on each of `robots`: wrappers by name.

    Wrappers of training are left out: a policy that was trained on another robot meets this one alone.
    """
    points = [
        Point(path, env_id, wrap, {"policy": name, "on": on}, trained_wraps=False)
        for name, path in paths.items() for on, wrap in robots.items()
    ]  # fmt: skip
    found = evaluate_grid(points, range(episodes), deployment_row, faster, keep=keep)
    rates: dict[str, Any] = {name: {} for name in paths}
    for point in found:
        rates[point.point.labels["policy"]][point.point.labels["on"]] = net(point.rows)
    return rates
