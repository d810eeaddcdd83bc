"""A second rehearsal: another version of MuJoCo plays the robot, and differs in something that is no factor.

    logs = arm_logs("FetchPush-v4")                      # with MuJoCo 3.6 installed; a few kilobytes, kept in a file
    data = explain(logs, [1, 2, 4, 8])                   # with the present one

The first rehearsal asks for the values of parameters that are known to exist. Here each of `MODELS` is fitted in turn,
and what is left over says which of them can be true: an error that is larger than the sensor's noise is not explained,
however narrow the intervals of its parameters are.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import mujoco
import numpy as np

from analysis.identification import identifiability
from common.errors import UserError
from envs.identification import SIGMA, Log, Simulator, Stage, Waving, identify, record
from envs.task import Task
from wrappers.hindsight import layers
from wrappers.randomization import Plant
from wrappers.weld import Weld

FIRST_LOG, FIRST_VALIDATION, STEPS = 7000, 8000, 12
LOGS, VALIDATION = 8, 8
# The encoders: what the gripper's position is known to, m.
NOISE = 0.1 * SIGMA
# Parameters that are no ratios: value = nominal + scale · ln(ratio), so that all are searched alike.
LINEAR = {"weld": (1.0, 1.0), "x": (0.0, 0.02), "y": (0.0, 0.02), "z": (0.0, 0.02)}
FACTORS = ("gain", "lag", "damping")
MODELS = {
    "arm": Stage(FACTORS, slice(0, 3), NOISE),
    "arm and start": Stage((*FACTORS, "x", "y", "z"), slice(0, 3), NOISE),
    "arm and weld": Stage((*FACTORS, "weld"), slice(0, 3), NOISE),
}

# What a policy meets: today's MuJoCo, and what the logs of 3.6 identify.
VERSIONS = {"this version": (), "the identified one": ("weld:share=0",)}


def arm_logs(env_id: str) -> dict[str, Any]:
    """Logs of the arm in the air with the MuJoCo that is installed, as JSON values: to fit, and to validate on.

    Positions (T, 3), m, are exact; `read` adds the noise of encoders.
    """
    task = Task(env_id)

    def some(first: int, count: int) -> list[dict[str, Any]]:
        found = record(Waving(), task, range(first, first + count), STEPS)
        return [{"seed": log.seed, "actions": log.actions.tolist(), "positions": log.positions[:, :3].tolist()}
                for log in found]  # fmt: skip

    return {"mujoco": mujoco.__version__, "env_id": env_id,
            "training": some(FIRST_LOG, LOGS), "validation": some(FIRST_VALIDATION, VALIDATION)}  # fmt: skip


def read(logs: Sequence[Mapping[str, Any]]) -> list[Log]:
    """Logs from a file, measured with the noise of encoders, which each log's seed decides."""
    result = []
    for log in logs:
        exact = np.array(log["positions"])
        measured = exact + NOISE * np.random.default_rng([log["seed"], 2]).standard_normal(exact.shape)
        result.append(Log(log["seed"], np.array(log["actions"], np.float32), measured))
    return result


def natural(name: str, ratio: float) -> float:
    """The value of a parameter from the ratio that is searched."""
    if name not in LINEAR:
        return ratio
    nominal, scale = LINEAR[name]
    return nominal + scale * math.log(ratio)


class AnyVersion(Simulator):
    """A simulator whose weld may be an older MuJoCo's, and whose arm may begin elsewhere."""

    def __init__(self, env_id: str):
        self.env, self.runs = Task(env_id, ("weld:share=1", "plant")).make(), 0
        self._plant = next(layer for layer in layers(self.env) if isinstance(layer, Plant))
        self._weld = next(layer for layer in layers(self.env) if isinstance(layer, Weld))

    def positions(self, values: Mapping[str, float], log: Log) -> np.ndarray:
        """(T, 3), m, world frame: where the gripper would have been."""
        ours = {name: natural(name, values.get(name, 1.0)) for name in LINEAR}
        if ours["weld"] != self._weld.share:
            # The arm moves into place before anybody has another robot.
            self._plant.given = {}
            self.env.reset(seed=log.seed)
            self._weld.set(ours["weld"])
        self._plant.given = {name: value for name, value in values.items() if name not in LINEAR}
        self.env.reset(seed=log.seed)
        self.runs += 1
        seen = [self.env.step(action)[0]["observation"][:3] for action in log.actions]
        return np.array(seen) + [ours["x"], ours["y"], ours["z"]]


def explain(logs: Mapping[str, Any], counts: Sequence[int], tell: Callable[[str], None] = print) -> dict[str, Any]:
    """Fit each of `MODELS` to the first of `counts` logs, then to more, and validate each fit on logs of their own.

    Raises `UserError` without the packages of `mujoco.sysid`, and where there are fewer logs.
    """
    training, unseen = read(logs["training"]), read(logs["validation"])
    if max(counts) > len(training):
        raise UserError(f"--logs {max(counts)}: there are only {len(training)} in the file.")
    rows = []
    with contextlib.closing(AnyVersion(logs["env_id"])) as simulator:
        largest = MODELS["arm and weld"]
        check = identifiability(simulator.jacobian({}, training[: max(counts)], largest), largest.names)
        nominal = simulator.error({}, unseen, largest)
        for name, stage in MODELS.items():
            for count in counts:
                found = identify(simulator, training[:count], stage, {"delay": 0.0})
                row = {
                    "model": name, "logs": count,
                    "remaining": found["remaining"]["0"],
                    "validation": simulator.error(found["values"], unseen, stage),
                    "parameters": {key: {part: natural(key, found[part if part != "found" else "values"][key])
                                         for part in ("found", "low", "high")} for key in stage.names},
                }  # fmt: skip
                rows.append(row)
                tell(row_text(row))
    return {"mujoco": logs["mujoco"], "ours": mujoco.__version__, "noise": NOISE, "identifiability": check,
            "nominal": nominal, "rows": rows}  # fmt: skip


def row_text(row: Mapping[str, Any]) -> str:
    """A fit on a terminal."""
    values = ", ".join(
        f"{key} {p['found']:.4f} [{p['low']:.4f}, {p['high']:.4f}]" for key, p in row["parameters"].items()
    )
    return (f"  {row['model']}, {row['logs']} logs: left over {row['remaining']:.2f} standard deviations, "
            f"validation {1000 * row['validation']:.3f} mm; {values}")  # fmt: skip
