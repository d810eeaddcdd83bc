"""Wrappers between a policy's action and the simulator: scaling, a low-pass filter, a delay, noise.

Actions a ∈ [−1, 1]⁴ of the Fetch tasks are displacements in units of 5 cm, 25 of them a second. The simulator clips
what reaches it to the action space.
"""

from __future__ import annotations

import math
from collections import deque
from typing import Any

import gymnasium as gym
import numpy as np

from wrappers.noise import Autoregression
from wrappers.registry import register
from wrappers.seeded import SeededWrapper


def _clipped(action: Any, space: gym.spaces.Box) -> np.ndarray:
    """As the simulator clips: a filter must not remember what could never be carried out."""
    return np.clip(np.asarray(action, np.float64), space.low, space.high)


def _continuous(env: gym.Env, name: str) -> None:
    if not isinstance(env.action_space, gym.spaces.Box):
        raise ValueError(f"{name} needs continuous actions; this task has {env.action_space}.")


@register("scale")
class ScaleAction(gym.Wrapper):
    """Multiplies the action: u = factor · a. Above 1 it saturates sooner, below 1 the arm is slower."""

    def __init__(self, env: gym.Env, factor: float = 0.5):
        super().__init__(env)
        _continuous(env, "scale")
        if not factor > 0:
            raise ValueError("factor must be above 0.")
        self.factor = factor

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step with the scaled action, in the dtype that came in."""
        return self.env.step(np.asarray(action) * np.float32(self.factor))


@register("lowpass")
class LowPassAction(SeededWrapper):
    """Exponential smoothing: uₜ = α aₜ + (1 − α) uₜ₋₁ with u₀ = 0. α = 1 changes nothing.

    Its time constant is −1 / ln(1 − α) steps of 40 ms.
    """

    def __init__(self, env: gym.Env, alpha: float = 0.5):
        super().__init__(env)
        _continuous(env, "lowpass")
        if not 0 < alpha <= 1:
            raise ValueError("alpha must lie above 0 and at most be 1.")
        self.alpha = alpha
        self._filtered = np.zeros(env.action_space.shape)

    def begin(self, observation: Any) -> Any:
        """Forget the last episode's actions."""
        self._filtered = np.zeros(self.env.action_space.shape)
        return observation

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step with the filtered action."""
        # u_t = α a_t + (1 − α) u_{t−1}
        asked = _clipped(action, self.env.action_space)
        self._filtered = self.alpha * asked + (1.0 - self.alpha) * self._filtered
        return self.env.step(self._filtered.astype(self.env.action_space.dtype))


@register("delay")
class DelayAction(SeededWrapper):
    """The action arrives `steps` steps late: uₜ = aₜ₋ₖ, and 0 until the first one arrives."""

    def __init__(self, env: gym.Env, steps: int = 1):
        super().__init__(env)
        _continuous(env, "delay")
        if not 0 <= steps <= 1000:
            raise ValueError("steps must lie between 0 and 1000.")
        self.steps = steps
        self._underway: deque[np.ndarray] = deque()

    def begin(self, observation: Any) -> Any:
        """Nothing is under way but doing nothing."""
        space = self.env.action_space
        self._underway = deque(np.zeros(space.shape, space.dtype) for _ in range(self.steps))
        return observation

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step with the action of `steps` steps ago."""
        self._underway.append(np.array(action))
        return self.env.step(self._underway.popleft())


@register("action_noise")
class ActionNoise(SeededWrapper):
    """Noise on the action: u = a + std · nₜ in units of the action space, before the simulator clips.

    nₜ has standard deviation 1 and correlation `rho` from one step to the next: 0 is white noise, 1 a constant pull
    (`wrappers.noise.Autoregression`).
    """

    def __init__(self, env: gym.Env, std: float = 0.1, rho: float = 0.0):
        super().__init__(env)
        _continuous(env, "action_noise")
        if not 0 <= std < math.inf:
            raise ValueError("std must not be negative.")
        self.std, self.noise = std, Autoregression(rho, int(np.prod(env.action_space.shape)))

    def begin(self, observation: Any) -> Any:
        """Noise begins afresh."""
        self.noise.begin()
        return observation

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step with the noisy action."""
        space = self.env.action_space
        noise = self.std * self.noise.draw(self.generator).reshape(space.shape)
        return self.env.step((_clipped(action, space) + noise).astype(space.dtype))
