"""Sensors that err: noise, white or correlated or constant, dropouts, and the filter that is to remove the noise.

--wrap obs_noise:std=0.02                          every number of the observation, each in its own unit
--wrap obs_noise:std=0.02,scale=sensor             as sensors err: std is that of a tracked object's position
--wrap obs_noise:std=0.02,rho=0.95                 correlated in time; rho=1 is a bias that lasts the episode
--wrap obs_noise:std=0.02 --wrap obs_lowpass:alpha=0.3    a filter stands after the noise that it is to remove
--wrap obs_dropout:prob=0.1,steps=5                with probability 0.1 a step, the picture freezes for 5 steps
"""

from __future__ import annotations

import math
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from common.errors import UserError
from wrappers.registry import register
from wrappers.sensors import SensorWrapper, place_of, sensor_matrix


class Autoregression:
    """AR(1) noise of `size` numbers with stationary standard deviation 1, whatever `rho` is.

    n₀ ~ N(0, 1),  nₜ = ρ nₜ₋₁ + √(1 − ρ²) εₜ  with εₜ ~ N(0, 1). Correlation falls to 1/e in −1 / ln ρ steps; ρ = 0 is
    white noise, ρ = 1 a constant. Source: Box & Jenkins, Time Series Analysis, section 3.2.
    """

    def __init__(self, rho: float, size: int):
        if not 0 <= rho <= 1:
            raise ValueError("rho must lie between 0 and 1.")
        self.rho, self.size = rho, size
        self.state: np.ndarray | None = None

    def begin(self) -> None:
        """Forget the last episode."""
        self.state = None

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """The noise of the next step, (size,)."""
        fresh = generator.normal(0.0, 1.0, self.size)
        if self.state is None or self.rho == 0:
            self.state = fresh
        else:
            # n_t = ρ n_{t−1} + √(1 − ρ²) ε_t: the variance is ρ² + 1 − ρ² = 1 at every step
            self.state = self.rho * self.state + math.sqrt(1.0 - self.rho**2) * fresh
        return self.state


@register("obs_noise")
class ObservationNoise(SensorWrapper):
    """Noise of standard deviation `std` on everything measured.

    `scale`: `unit` adds independent noise to every number, in its own unit (m, m/step, rad); `sensor` scales it as
    sensors err and derives what the task derives (`wrappers/sensors.py`); std is then that of an object's position,
    in m. `only`: with `scale=sensor`, the one part that errs (`wrappers.sensors.PARTS`). `rho`: correlation from one
    step to the next (`Autoregression`). `mixed`: each episode draws its own standard deviation, uniform between 0 and
    `std`.

    On a task with goals `observation` and `achieved_goal` are measured, and where the one holds a copy of the other
    both show the same noise. The desired goal is a command and stays as it is. Rewards and success are the simulator's.
    `true_goals` leaves `achieved_goal` as it is, for hindsight alone: our learner then reads the copy in `observation`
    instead (`measured_goal_at`), so that the policy that it trains cannot see it.
    """

    def __init__(
        self, env: gym.Env, std: float = 0.01, rho: float = 0.0, scale: Literal["unit", "sensor"] = "unit",
        only: str = "", mixed: bool = False, true_goals: bool = False,
    ):  # fmt: skip
        super().__init__(env)
        if not 0 <= std < math.inf:
            raise ValueError("std must not be negative.")
        if true_goals and not self.sizes[1]:
            raise ValueError("true_goals needs a task with goals.")
        self.std, self.mixed, self.true_goals = std, mixed, true_goals
        if only and scale != "sensor":
            raise ValueError("only needs scale=sensor.")
        self.matrix = sensor_matrix(self.sizes[0], only) if scale == "sensor" else None
        # Drawn for the achieved goal in any case, so that a stream does not depend on the task's layout.
        self.noise = Autoregression(rho, sum(self.sizes))
        # This episode's.
        self.now = std

    def start(self, true: np.ndarray) -> None:
        """Noise begins afresh, at this episode's size."""
        self.noise.begin()
        self.now = float(self.generator.uniform(0.0, self.std)) if self.mixed else self.std

    def measure(self, true: np.ndarray) -> np.ndarray:
        """True measurements and noise."""
        noise = self.now * self.noise.draw(self.generator)
        if self.matrix is not None:
            noise[: self.sizes[0]] = self.matrix @ noise[: self.sizes[0]]
        return true + noise

    def measured_goal_at(self) -> int | None:
        """With `true_goals`: where in `observation` the achieved goal is measured. Raises `UserError` if nowhere."""
        if not self.true_goals:
            return super().measured_goal_at()
        if self._copy is None:
            # Not of this wrapper: its own reset asks here.
            first, _ = self.env.reset()
            self._copy = place_of(first["observation"].reshape(-1), first["achieved_goal"].reshape(-1))
        if self._copy is None:
            raise UserError("true_goals: the observation of this task holds no copy of the achieved goal.")
        return self._copy


@register("obs_dropout")
class ObservationDropout(SensorWrapper):
    """With probability `prob` at each step the last measurement stays for `steps` steps, as when the view is blocked.

    A dropout does not begin while another lasts, so the share of frozen steps is p k / (1 + p (k − 1)) for p = `prob`
    and k = `steps`, less at the beginning of an episode.
    """

    def __init__(self, env: gym.Env, prob: float = 0.1, steps: int = 5):
        super().__init__(env)
        if not 0 <= prob <= 1:
            raise ValueError("prob must lie between 0 and 1.")
        if not 1 <= steps <= 1000:
            raise ValueError("steps must lie between 1 and 1000.")
        self.prob, self.steps = prob, steps
        self.left, self.last = 0, np.zeros(0)

    def start(self, true: np.ndarray) -> None:
        """The first measurement is there."""
        self.left, self.last = 0, true

    def begin(self, observation: Any) -> Any:
        """The first observation as it is: there is none to stay."""
        super().begin(observation)
        self.left = 0
        return observation

    def measure(self, true: np.ndarray) -> np.ndarray:
        """The measurement, or the one from before the dropout."""
        lost = self.generator.random() < self.prob
        if self.left == 0 and lost:
            self.left = self.steps
        if self.left > 0:
            self.left -= 1
        else:
            self.last = true
        return self.last


@register("obs_lowpass")
class ObservationLowPass(SensorWrapper):
    """Exponential smoothing of what is measured: yₜ = α xₜ + (1 − α) yₜ₋₁ with y₀ = x₀. α = 1 changes nothing.

    White noise of variance σ² leaves it with variance σ² α / (2 − α); what moves comes out late by (1 − α) / α steps.
    """

    def __init__(self, env: gym.Env, alpha: float = 0.5):
        super().__init__(env)
        if not 0 < alpha <= 1:
            raise ValueError("alpha must lie above 0 and at most be 1.")
        self.alpha = alpha
        self.filtered = np.zeros(0)

    def start(self, true: np.ndarray) -> None:
        """Nothing is known but the first measurement."""
        self.filtered = true

    def measure(self, true: np.ndarray) -> np.ndarray:
        """The filter's state after this measurement."""
        # y_t = α x_t + (1 − α) y_{t−1}
        self.filtered = self.alpha * true + (1.0 - self.alpha) * self.filtered
        return self.filtered
