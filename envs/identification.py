"""Finding the parameters of a robot from logs of what it did: sim-to-sim system identification.

A robot of unknown mass, friction, lag, damping, gain and delay (`wrappers/randomization.py`) executes actions; the log
holds them, and where gripper and block were seen. A simulator that begins in the same place and repeats the actions
sees them elsewhere, unless its parameters are the robot's: that difference is made small by `mujoco.sysid`, a
box-constrained Gauss-Newton method. Parameters are ratios to nominal, so their logarithms are what is searched.

Gauss-Newton follows a slope. What an arm does in the air has one valley; what a block does that is pushed has many, and
there CMA-ES, which compares whole candidates (Hansen 2016, arXiv:1604.00772), looks for the right one first.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

from common.errors import UserError
from envs.rollout import Policy
from envs.task import Task
from wrappers.randomization import FACTORS, Plant

DELAYS = (0, 1, 2, 3)
# Ratios from a quarter to four times, and the step of finite differences.
BOUND, STEP = math.log(4.0), 0.002
# CMA-ES: candidates of a generation, generations, first standard deviation of a logarithm.
POPULATION, GENERATIONS, SPREAD = 8, 10, 0.4
# m: a log of pushing ends once the block has moved this far. Where it slides from there depends on every millimetre.
LONGEST_PUSH = 0.05
INSTALL = "pip install -e '.[sysid]'"


@dataclass(frozen=True)
class Stage:
    """What is searched at a time, and in which of the measured positions it shows."""

    names: tuple[str, ...]
    columns: slice
    sigma: float
    """Standard deviation of one measured coordinate, m."""
    delay: bool = False
    valleys: bool = False
    """Whether there are several minima, so that CMA-ES begins."""


# The camera's error of an object's position, m; the encoders' of the gripper's is a tenth of it (wrappers/sensors.py).
SIGMA = 0.001
# First the arm alone, then what it pushes: a contact that is missed by a millimetre says nothing about friction.
ARM = Stage(("gain", "lag", "damping"), slice(0, 3), 0.1 * SIGMA, delay=True)
OBJECT = Stage(("mass", "friction"), slice(3, 6), SIGMA, valleys=True)


@dataclass(frozen=True)
class Log:
    """One trajectory of T steps from `reset(seed)`: what was sent, and what was seen after each step."""

    seed: int
    actions: np.ndarray
    """(T, 4) float32, as the policy asked."""
    positions: np.ndarray
    """(T, 6): gripper and object, m, world frame, as measured."""

    def until_pushed(self) -> Log:
        """This log until the object has moved by `LONGEST_PUSH`."""
        far = np.linalg.norm(self.positions[:, 3:] - self.positions[0, 3:], axis=1) > LONGEST_PUSH
        end = int(np.argmax(far)) + 1 if far.any() else len(far)
        return Log(self.seed, self.actions[:end], self.positions[:end])


def plant_text(values: Mapping[str, float]) -> str:
    """`values` as a wrapper: `plant:mass=1.5,delay=1`."""
    texts = [f"{name}={value:.4g}" for name, value in values.items() if value != FACTORS[name].nominal]
    return "plant" + (":" + ",".join(texts) if texts else "")


class Waving:
    """An excitation of the arm alone: random actions, each held for `hold` steps, first upwards and then sideways."""

    def __init__(self, hold: int = 4):
        self.hold, self.step, self.action = hold, 0, np.zeros(4, np.float32)
        self.generator = np.random.default_rng(0)

    def seed(self, seed: int) -> None:
        """Begin an episode."""
        self.generator, self.step = np.random.default_rng([seed, 1]), 0

    def predict(self, observation: Any, deterministic: bool = True) -> tuple[np.ndarray, None]:
        """The action (4,); nothing is looked at."""
        if self.step % self.hold == 0:
            self.action = self.generator.uniform(-1, 1, 4).astype(np.float32)
            self.action[2] = 1.0 if self.step == 0 else 0.2 * self.action[2]
        self.step += 1
        return self.action, None


def record(policy: Policy, task: Task, seeds: Sequence[int], steps: int) -> list[Log]:
    """`policy` acts on the robot `task` for `steps` steps from each seed, and everything is logged."""
    logs = []
    with contextlib.closing(task.make()) as env:
        for seed in seeds:
            observation, _ = env.reset(seed=seed)
            if hasattr(policy, "seed"):
                policy.seed(seed)
            actions, positions = [], []
            for _ in range(steps):
                action, _ = policy.predict(observation, deterministic=True)
                observation, *_ = env.step(action)
                actions.append(np.array(action, np.float32))
                positions.append(observation["observation"][:6])
            logs.append(Log(seed, np.array(actions), np.array(positions)))
    return logs


class Simulator:
    """A task whose robot can be any, asked what it would have done in the place of a log's.

    Raises `UserError` on a task without an object.
    """

    def __init__(self, env_id: str):
        self.env = Task(env_id, ("plant",)).make()
        if not self.env.unwrapped.has_object:
            raise UserError(f"{env_id} has no object; identification needs one of Push, Slide and PickAndPlace.")
        self.runs = 0

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def positions(self, values: Mapping[str, float], log: Log) -> np.ndarray:
        """(T, 6), m, world frame: where gripper and object would have been, with a robot of `values`."""
        _plant(self.env).given = dict(values)
        self.env.reset(seed=log.seed)
        self.runs += 1
        seen = [self.env.step(action)[0]["observation"][:6] for action in log.actions]
        return np.array(seen)

    def residual(self, values: Mapping[str, float], logs: Sequence[Log], stage: Stage) -> np.ndarray:
        """Predicted minus measured over all logs, (R,), in units of the sensor's standard deviation."""
        # r = (x̂(θ) − x) / σ
        off = [(self.positions(values, log) - log.positions)[:, stage.columns].ravel() for log in logs]
        return np.concatenate(off) / stage.sigma

    def error(self, values: Mapping[str, float], logs: Sequence[Log], stage: Stage) -> float:
        """Root mean square of predicted minus measured position along an axis, m."""
        return stage.sigma * float(np.sqrt(np.mean(self.residual(values, logs, stage) ** 2)))

    def jacobian(self, values: Mapping[str, float], logs: Sequence[Log], stage: Stage,
                 names: Sequence[str] | None = None) -> np.ndarray:  # fmt: skip
        """(R, P): derivative of the residuals by the logarithm of each of P ratios, by central differences."""
        columns = []
        for name in names or stage.names:
            up, down = (self.residual(dict(values) | {name: values.get(name, 1.0) * math.exp(h)}, logs, stage)
                        for h in (STEP, -STEP))  # fmt: skip
            # ∂r/∂ln θ = (r(θ eʰ) − r(θ e⁻ʰ)) / 2h
            columns.append((up - down) / (2 * STEP))
        return np.stack(columns, axis=1)


def identify(simulator: Simulator, logs: Sequence[Log], stage: Stage, known: Mapping[str, float],
             iterations: int = 10, tell: Callable[[str], None] = lambda text: None) -> dict[str, Any]:  # fmt: skip
    """The ratios of `stage`, and where it asks for it the delay, that explain `logs` best, with 95% intervals.

    A delay is a whole number of steps, of which no derivative exists: the ratios are fitted for each, and the delay
    with the smallest remaining error counts. `known` are values that are not searched.
    Raises `UserError` without the packages of `mujoco.sysid`.
    """
    sysid, names, fits = _sysid(), stage.names, []
    for delay in DELAYS if stage.delay else (known["delay"],):

        def residual(x: np.ndarray, _: Any, delay: float = delay) -> tuple[list[np.ndarray], None, None]:
            """For one point (n,), or for several (n, k) at once, as finite differences ask."""
            points = [dict(known) | _values(names, point) | {"delay": delay} for point in np.atleast_2d(x.T)]
            columns = [simulator.residual(point, logs, stage) for point in points]
            return [columns[0] if x.ndim == 1 else np.stack(columns, axis=1)], None, None

        first = _valley(lambda x, f=residual: f(x, None)[0][0], len(names)) if stage.valleys else np.zeros(len(names))
        start = sysid.ParameterDict()
        for name, value in zip(names, first, strict=True):
            start.add(sysid.Parameter(name, value, -BOUND, BOUND))
        # A backend that reports its progress cannot be told not to.
        with contextlib.redirect_stdout(io.StringIO()):
            found, _ = sysid.optimize(
                start, residual, verbose=False, eps=STEP, max_iters=iterations, xtol=1e-4, mu_factor=10.0
            )
        x = found.as_vector()
        left = residual(x, None)[0][0]
        fits.append((math.sqrt(float(left @ left) / len(left)), delay, x))
        tell(f"  delay {delay:.0f}: remaining error of {fits[-1][0]:.2f} standard deviations of the sensor")
    _, delay, x = min(fits, key=lambda fit: fit[0])
    values = dict(known) | _values(names, x) | {"delay": delay}
    _, half = sysid.calculate_intervals(
        [simulator.residual(values, logs, stage)], simulator.jacobian(values, logs, stage)
    )
    return {
        "values": values,
        "low": {name: math.exp(x[i] - min(half[i], BOUND)) for i, name in enumerate(names)},
        "high": {name: math.exp(x[i] + min(half[i], BOUND)) for i, name in enumerate(names)},
        "remaining": {f"{fit[1]:.0f}": fit[0] for fit in fits},
    }


def _valley(residual: Callable[[np.ndarray], np.ndarray], n: int) -> np.ndarray:
    """(n,): a start for Gauss-Newton, the best point that CMA-ES found."""
    try:
        from cmaes import CMA
    except ImportError:
        raise UserError(f"sysid needs the package cmaes, which is not installed: {INSTALL}.") from None
    bounds = np.tile([-BOUND, BOUND], (n, 1))
    search = CMA(mean=np.zeros(n), sigma=SPREAD, bounds=bounds, seed=0, population_size=POPULATION)
    best = (math.inf, np.zeros(n))
    for _ in range(GENERATIONS):
        tried = []
        for _ in range(POPULATION):
            x = search.ask()
            left = residual(x)
            tried.append((x, math.log(float(left @ left) + 1e-12)))
            best = min(best, (tried[-1][1], x), key=lambda pair: pair[0])
        search.tell(tried)
    return best[1]


def _values(names: Sequence[str], x: np.ndarray) -> dict[str, float]:
    return {name: math.exp(float(value)) for name, value in zip(names, np.ravel(x), strict=True)}


def _plant(env: gym.Env) -> Plant:
    while not isinstance(env, Plant):
        env = env.env
    return env


def _sysid() -> Any:
    try:
        from mujoco import sysid
    except ImportError as error:
        raise UserError(f"sysid needs mujoco's own tools, and {error.name} is not installed: {INSTALL}.") from None
    return sysid
