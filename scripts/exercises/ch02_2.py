"""Exercise 2 of chapter 02 (implement, 20 minutes): the clipped surrogate, as a loss to minimise.

Fill in `policy_loss`, then check it (2 seconds):

    bash docker/dev.sh python scripts/exercises/ch02_2.py

The cases look at its value and at its gradient, since the gradient is what clipping is for.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from common.exercises import Case, check


def policy_loss(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """The loss, a number: minus the mean clipped surrogate over a minibatch of B transitions.

    `log_prob` (B,): log π(a|s) of the policy that is being trained; gradients flow through it. `old_log_prob` (B,): of
    the policy that collected the data. `advantage` (B,): normalised already. `clip`: ε, such as 0.2.
    """
    ...


def slope(log_ratio: float, advantage: float) -> Case:
    """A case about the gradient with respect to log π of one transition whose log ratio is given."""
    log_prob = torch.tensor([log_ratio], requires_grad=True)
    ratio, sign = torch.tensor(log_ratio).exp().item(), "good" if advantage > 0 else "bad"
    outside = ratio > 1.2 if advantage > 0 else ratio < 0.8
    # d(−ρ A) / d log π = −ρ A
    expected = 0.0 if outside else -ratio * advantage
    if outside:
        why = f"the {sign} action has moved as far as the clip range allows: no gradient may push it further"
    elif (ratio > 1) == (advantage > 0):
        why = "inside the range nothing is clipped: the gradient of -ratio * advantage is left as it is"
    else:
        why = f"a {sign} action on the wrong side of the range must be free to come back: min, not the clip alone"

    def gradient(loss: Tensor) -> Tensor:
        return torch.autograd.grad(loss, log_prob, allow_unused=True)[0] if loss.requires_grad else torch.zeros(1)

    given = (_Same(log_prob), torch.zeros(1), torch.tensor([advantage]), 0.2)
    return Case(f"gradient for ratio {ratio:.2f}, advantage {advantage:+.0f}", given, [expected], why, gradient)


class _Same(Tensor):
    """A tensor that stays itself when the arguments are copied: its gradient is asked for afterwards."""

    @staticmethod
    def __new__(cls, tensor: Tensor) -> Tensor:
        tensor.__class__ = cls
        return tensor

    def __deepcopy__(self, memo: dict) -> Tensor:
        return self


def cases() -> Iterator[Case]:
    """Values that can be worked out by hand, then gradients on both sides of the range, for both signs."""
    zero, good, bad = torch.zeros(2), torch.tensor([1.0, 3.0]), torch.tensor([-1.0, -3.0])
    yield Case("ratio 1: minus the mean advantage", (zero, zero, good, 0.2), -2.0, "at ratio 1 min and clip do nothing")
    twice, half = torch.full((2,), 2.0).log(), torch.full((2,), 0.5).log()
    yield Case("ratio 2, good actions", (twice, zero, good, 0.2), -2.4, "beyond 1 + clip nothing more is gained: 1.2 A")
    yield Case("ratio 2, bad actions", (twice, zero, bad, 0.2), 4.0, "the min keeps what is worse: 2 A, not 1.2 A")
    yield Case("ratio 1/2, bad actions", (half, zero, bad, 0.2), 1.6, "below 1 - clip nothing more is gained: 0.8 A")
    yield Case("the old policy counts", (zero, twice, good, 0.2), -1.0, "ratio = exp(log_prob - old_log_prob) = 1/2")
    for log_ratio, advantage in ((0.1, 1.0), (0.5, 1.0), (-0.5, 1.0), (-0.1, -1.0), (-0.5, -1.0), (0.5, -1.0)):
        yield slope(log_ratio, advantage)


if __name__ == "__main__":
    sys.exit(check(policy_loss, cases))
