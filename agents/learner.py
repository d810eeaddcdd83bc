"""The interface of our learners, however they compute gradients, and the named tuples they take and return.

`agents/sac.py` and `agents/td3.py` are the learners to read: ordinary modules and automatic differentiation.
`agents/kernels/` computes the same updates faster for perceptrons; `agents/kernels/registry.py` chooses.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

from torch import Tensor


class Batch(NamedTuple):
    """What one update reads: B transitions, and the random numbers that the update needs.

    The random numbers come with the batch, so that an update is a function of its arguments: two implementations can be
    compared, and a CUDA graph can record it.
    """

    observations: Tensor
    """(B, …): what the encoder reads. Without one, features φ (B, F) of the input map."""
    next_observations: Tensor
    """(B, …): the same after the step, or after n steps."""
    actions: Tensor
    """(B, A) in [−1, 1]."""
    rewards: Tensor
    """(B,): with n steps to a target, their discounted sum."""
    discounts: Tensor
    """(B,): the factor of V(next_observations) in the target. γ, or γⁿ; 0 where the task ended."""
    noise: Tensor
    """(2 B, A) standard normal: the first B rows for the observations, the others for the next ones."""


class ActorSample(NamedTuple):
    """Actions drawn from a stochastic policy."""

    actions: Tensor
    """(B, A) in [−1, 1]."""
    log_prob: Tensor
    """(B,): log π(a|s), a density with respect to the squashed action."""


class Learner(Protocol):
    """Networks, their optimisers, and one update of both.

    `updates` counts the updates so far; every `period`-th of them does the same operations.
    """

    updates: int
    period: int

    def act(self, observations: Tensor, noise: Tensor | None) -> Tensor:
        """Actions (B, A) in [−1, 1]: exploring ones with standard normal `noise` (B, A), or the policy's mean."""
        ...

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One update; what it measured, as scalar tensors under the names that are logged."""
        ...

    def set_learning_rate(self, rate: float) -> None:
        """The step size of all optimisers from now on."""
        ...

    def stock_weights(self) -> dict[str, Tensor]:
        """Weights under the names of the stock policy's `state_dict`, of the same shapes as there, targets included.

        They act on observations.
        """
        ...

    def state(self) -> dict[str, Any]:
        """All that a continued run needs: tensors and plain containers."""
        ...

    def load(self, state: dict[str, Any]) -> None:
        """Take over the `state` of a learner with networks of the same shape, whichever implementation wrote it."""
        ...


def target_bounds(clip_targets: bool, gamma: float) -> tuple[float, float] | None:
    """Bounds of the critics' targets for rewards in [−1, 0], or None: Σ γᵗ (−1) = −1 / (1 − γ)."""
    return (-1.0 / (1.0 - gamma), 0.0) if clip_targets else None
