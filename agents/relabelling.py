"""Hindsight as arithmetic on indices, written once for NumPy arrays in main memory and for tensors on a device.

What differs between the two is how random numbers are drawn and where episodes lie; `agents/replay.py` and
`agents/device_replay.py` bring that along. `xp` is the namespace of the arrays, `numpy` or `torch`.

A transition is (slot, step): the place of its episode in the ring buffer, and the step within the episode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

# A NumPy array or a PyTorch tensor.
Array = Any
Strategy = Literal["future", "final", "episode"]


def transitions_at(xp: Any, places: Array, slots: Array, ends: Array, lengths: Array) -> tuple[Array, Array]:
    """The transitions (slot, step), each (n,), at `places` (n,) on the line on which episodes stand end to end.

    `slots` (E,) are the episodes on the line and `ends` (E,) where each of them ends; `lengths` is by slot.
    """
    which = xp.searchsorted(ends, places, side="right")
    chosen = slots[which]
    return chosen, places - (ends[which] - lengths[chosen])


def goal_steps(strategy: Strategy, steps: Array, ends: Array, between: Callable[[Any, Array], Array]) -> Array:
    """The steps (n,) whose outcome is the new goal: this one or later (future), any of the episode, or the last.

    `steps` (n,) are those of the transitions, `ends` (n,) the lengths of their episodes. `between(low, high)` draws
    integers from low up to high, high excluded. Source: Andrychowicz et al. 2017 (arXiv:1707.01495), section 4.5.
    """
    if strategy == "final":
        return ends - 1
    return between(steps if strategy == "future" else 0, ends)


def look_ahead(
    xp: Any, steps: Array, ends: Array, ones: Array, n_steps: int, gamma: float,
    reward: Callable[[Array], Array], terminated: Callable[[Array], Array],
) -> tuple[Array, Array, Array]:  # fmt: skip
    """The last of up to `n_steps` steps (n,), their discounted rewards (n,), and the discount (n,) of what follows.

    `reward` and `terminated` take one step for each row (n,) and give float32 (n,), as `ones` is.
    """
    last, rewards, discounts = steps - 1, xp.zeros_like(ones), ones
    for ahead in range(n_steps):
        # Rows whose episode has ended add nothing more.
        on = (discounts > 0) & (steps + ahead < ends)
        last = xp.where(on, steps + ahead, last)
        # R = Σ γᵏ rₜ₊ₖ
        rewards = xp.where(on, rewards + discounts * reward(last), rewards)
        # γⁿ, and 0 after a termination
        discounts = xp.where(on, discounts * (gamma * (1.0 - terminated(last))), discounts)
    return last, rewards, discounts
