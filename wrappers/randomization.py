"""Another robot in the same task: an arm, an object and an interface that are not quite the simulator's own.

`plant` sets named factors for good, to ask how a policy does on one particular robot; `randomize` draws them anew for
each episode of training, so that the policy has to do on all of them (Tobin et al. 2017, arXiv:1703.06907, for images;
Peng et al. 2018, arXiv:1710.06537, for dynamics).

    python eval.py  --ckpt … --env FetchPush-v4 --wrap plant:mass=2,delay=1      # one robot
    python train.py … --env FetchPush-v4 --wrap randomize                        # all factors, over their whole ranges
    python train.py … --env FetchPush-v4 --wrap randomize:factors=friction+delay,width=0.5

`FACTORS` holds what there is, with its range. More come with `@part(Factor(…), …)` over a function that writes their
values into an environment. Cameras, lights and colours are in `wrappers/scene.py`, after `pixels`.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from common.errors import UserError, closest
from wrappers.actions import DelayAction, ScaleAction
from wrappers.hindsight import layers
from wrappers.joints import ARM
from wrappers.noise import ObservationNoise
from wrappers.registry import register
from wrappers.seeded import SeededWrapper

Values = Mapping[str, float]


@dataclass(frozen=True)
class Factor:
    """Something about a robot that may be otherwise: its name, its nominal value, and its range.

    A nominal value of 1 makes it a ratio, drawn log-uniformly: half and twice are equally far away. A nominal value of
    0 makes it an amount, drawn uniformly from 0 to `high`.
    """

    name: str
    nominal: float
    low: float
    high: float
    about: str
    whole: bool = False
    """Only whole numbers."""
    of_object: bool = False
    """Tasks without an object do not have it."""

    def at(self, share: float, width: float = 1.0) -> float:
        """The value at `share` from 0 (`low`) to 1 (`high`) of a range that is `width` times as wide."""
        if self.nominal == 1:
            # x = exp(w ((1 − s) ln low + s ln high))
            return math.exp(width * ((1.0 - share) * math.log(self.low) + share * math.log(self.high)))
        value = self.low + share * width * (self.high - self.low)
        return float(round(value)) if self.whole else value

    def draw(self, rng: np.random.Generator, width: float) -> float:
        """One value; whole numbers have equal chances."""
        if self.whole:
            return float(rng.integers(round(self.low), round(width * self.high) + 1))
        return self.at(rng.random(), width)


FACTORS: dict[str, Factor] = {}
_PARTS: list[tuple[tuple[str, ...], Callable[[gym.Env, Values], None]]] = []


def part(*factors: Factor) -> Callable[[Callable[[gym.Env, Values], None]], Callable[[gym.Env, Values], None]]:
    """Decorator of a function that writes the values of `factors` into an environment, before each of its resets."""

    def keep(write: Callable[[gym.Env, Values], None]) -> Callable[[gym.Env, Values], None]:
        FACTORS.update({factor.name: factor for factor in factors})
        _PARTS.append((tuple(factor.name for factor in factors), write))
        return write

    return keep


@part(
    Factor("mass", 1.0, 0.5, 2.0, "object's mass and inertia; nominal 2 kg", of_object=True),
    Factor("friction", 1.0, 0.5, 2.0, "sliding friction of object, table and fingers; nominal 1", of_object=True),
    Factor("size", 1.0, 0.8, 1.2, "object's edges; nominal 5 cm", of_object=True),
)
def set_object(env: gym.Env, values: Values) -> None:
    """Give the object its mass, friction and size: ratios to those that the environment's options name."""
    task = env.unwrapped
    changes = {f"object_{name}": value * (getattr(env.made, f"object_{name}") or 1.0) for name, value in values.items()}
    task.set_distribution(dataclasses.replace(task.distribution, **changes))


@part(
    Factor("lag", 1.0, 0.5, 2.0, "time constant with which the gripper follows its target; nominal 20 ms"),
    Factor("damping", 1.0, 0.2, 5.0, "viscous friction in the seven joints of the arm"),
)
def set_arm(env: gym.Env, values: Values) -> None:
    """Give the arm its lag and its damping.

    Nothing drives the joints of a Fetch task: the gripper is welded to a mocap body, and the weld is a spring and
    damper. Its time constant takes the place of an actuator's gain, which it is the inverse of.
    """
    model = env.unwrapped.model
    weld = int(np.flatnonzero(model.eq_type == mujoco.mjtEq.mjEQ_WELD)[0])
    arm = [model.joint(name).dofadr[0] for name in ARM]
    nominal = env.nominal
    if not nominal:
        nominal.update(lag=float(model.eq_solref[weld, 0]), damping=model.dof_damping[arm].copy())
    model.eq_solref[weld, 0] = nominal["lag"] * values["lag"]
    model.dof_damping[arm] = nominal["damping"] * values["damping"]


@part(
    Factor("gain", 1.0, 0.7, 1.3, "how far the arm is sent for a command; clipped at 5 cm a step"),
    Factor("delay", 0.0, 0.0, 2.0, "steps of 40 ms until an action arrives", whole=True),
    Factor(
        "noise",
        0.0,
        0.0,
        0.005,
        "standard deviation of an object's measured position, m; others as in wrappers/sensors.py",
    ),
)
def set_interface(env: gym.Env, values: Values) -> None:
    """Set what stands between policy and robot."""
    env.noise.std, env.delay.steps, env.gain.factor = values["noise"], int(values["delay"]), values["gain"]


def available(env: gym.Env) -> dict[str, Factor]:
    """The factors that the task of `env` has."""
    object_too = getattr(env.unwrapped, "has_object", False)
    return {name: factor for name, factor in FACTORS.items() if object_too or not factor.of_object}


class Robot(SeededWrapper, ABC):
    """A Fetch task with named factors, all at their nominal values until `values` says otherwise.

    Order, from the policy to the simulator: noise, delay, gain. `values` holds what the current episode has; `made` is
    the distribution that the options of the environment ask for.
    """

    def __init__(self, env: gym.Env):
        if not hasattr(env.unwrapped, "set_distribution"):
            raise ValueError("the factors are those of a Fetch task")
        if any(isinstance(layer, Robot) for layer in layers(env)):
            # Both write into one model, the inner one last.
            raise ValueError("a task has one robot, and a `plant` or `randomize` is inside already; leave one out.")
        self.gain = ScaleAction(env, 1.0)
        self.delay = DelayAction(self.gain, 0)
        self.noise = ObservationNoise(self.delay, 0.0, scale="sensor")
        super().__init__(self.noise)
        self.nominal: dict[str, Any] = {}
        self.made = env.unwrapped.distribution
        self.factors = available(env)
        self.values = {name: factor.nominal for name, factor in self.factors.items()}

    @abstractmethod
    def choose(self) -> dict[str, float]:
        """The values of the next episode, as far as they differ from the nominal ones."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Choose the robot, and reset it; `info["robot"]` says what it is."""
        if seed is not None:
            self.generator = np.random.default_rng([seed, self._stream])
        # Before the reset: an object of another size lies at another height.
        self.values = {name: factor.nominal for name, factor in self.factors.items()} | self.choose()
        for names, write in _PARTS:
            mine = {name: self.values[name] for name in names if name in self.values}
            if mine:
                write(self, mine)
        observation, info = self.env.reset(seed=seed, options=options)
        return observation, info | {"robot": dict(self.values)}


@register("plant")
class Plant(Robot):
    """One particular robot: every factor as given, in every episode."""

    def __init__(
        self, env: gym.Env, mass: float = 1.0, friction: float = 1.0, size: float = 1.0, lag: float = 1.0,
        damping: float = 1.0, gain: float = 1.0, delay: int = 0, noise: float = 0.0,
    ):  # fmt: skip
        super().__init__(env)
        given = {"mass": mass, "friction": friction, "size": size, "lag": lag, "damping": damping, "gain": gain,
                 "delay": float(delay), "noise": noise}  # fmt: skip
        for name, value in given.items():
            factor = FACTORS[name]
            if value < 0 or (value == 0 and factor.nominal == 1) or not math.isfinite(value):
                least = "a number above 0" if factor.nominal == 1 else "at least 0"
                raise ValueError(f"{name}={value:g}: {least} is needed.")
            if name not in self.factors and value != factor.nominal:
                raise ValueError(f"{name}: this task has no object.")
        self.given = {name: value for name, value in given.items() if name in self.factors}

    def choose(self) -> dict[str, float]:
        """Always the same."""
        return self.given


@register("randomize", training_only=True)
class Randomize(Robot):
    """Another robot in each episode: the named factors drawn from their ranges, independently of each other.

    `factors` joins names with `+`, or is `all` that the task has. `width` (above 0, up to 2) scales their ranges around
    nominal: with 0.5 a ratio's ends are the square roots, and a delay is at most 1. Raises `UserError` on an unknown
    factor.
    """

    def __init__(self, env: gym.Env, factors: str = "all", width: float = 1.0):
        super().__init__(env)
        if not 0 < width <= 2:
            raise ValueError(f"width={width:g}: a number above 0 and up to 2 is needed.")
        names = list(self.factors) if factors == "all" else factors.split("+")
        for name in names:
            if name not in self.factors:
                known = ", ".join(self.factors)
                raise UserError(f"randomize: unknown factor {name}.{closest(name, self.factors)} Known: {known}.")
        self.drawn, self.width = [self.factors[name] for name in names], width

    def choose(self) -> dict[str, float]:
        """A draw of each factor, always in the same order."""
        return {factor.name: factor.draw(self.generator, self.width) for factor in self.drawn}
