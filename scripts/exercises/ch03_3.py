"""Exercise 3 of chapter 03 (implement, 15 minutes): what the critics of SAC are trained towards.

Fill in `soft_target`, then check it (2 seconds, the last case asks the project's own learner):

    bash docker/dev.sh python scripts/exercises/ch03_3.py

The chapter derives it in "HOW"; its solution is at the end of the page.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import torch
from torch import Tensor

from common.exercises import Case, check


def soft_target(
    rewards: Tensor, terminated: Tensor, next_q: Tensor, next_log_prob: Tensor, alpha: float, gamma: float
) -> Tensor:
    """y (B,) for transitions (s, a, r, s').

    `rewards` (B,). `terminated` (B,): 1 where the task ended with this step, 0 elsewhere, also where time ran out.
    `next_q` (2, B): both target critics at (s', a'), where a' is drawn from the policy now. `next_log_prob` (B,): log
    π(a' | s').
    """
    ...


def cases() -> Iterator[Case]:
    """One transition at a time, then a batch of the project's learner."""
    one, zero = torch.ones(1), torch.zeros(1)
    q = torch.tensor([[3.0], [2.0]])
    yield Case(
        "alpha 0, both critics 2: the ordinary target", (one, zero, torch.full((2, 1), 2.0), zero, 0.0, 0.5), [2.0],
        "without entropy y = r + gamma * Q(s', a')",
    )  # fmt: skip
    yield Case(
        "critics 3 and 2: the smaller one counts", (one, zero, q, zero, 0.0, 0.5), [2.0],
        "two critics err independently, the smaller one is seldom too large: take the minimum over the critics, not "
        "their mean or maximum",
    )  # fmt: skip
    yield Case(
        "log pi = -4, alpha 0.5: entropy is worth 2", (one, zero, q, -4 * one, 0.5, 0.5), [3.0],
        "V(s') = min Q - alpha * log pi: log pi = -4 stands for 4 nats of entropy, which ADDS alpha * 4, discounted "
        "like all that comes after s'",
    )  # fmt: skip
    yield Case(
        "the task ended: nothing comes after", (one, one, q, -4 * one, 0.5, 0.5), [1.0],
        "where `terminated` is 1 there is no s': neither its Q nor its entropy counts",
    )  # fmt: skip
    yield from against_the_project()


def against_the_project() -> Iterator[Case]:
    """The target that the project's own learner computes for a batch of 64."""
    from agents.learner import Batch
    from agents.sac import Sac

    torch.manual_seed(0)
    sac, phi, noise, discounts = (
        Sac(13, 4, [32], 1e-3, 0.01, 0.2),
        torch.randn(64, 13),
        torch.randn(64, 4),
        torch.ones(64),
    )
    terminated = (torch.rand(64) < 0.2).float()
    batch = Batch(phi, phi, torch.zeros(64, 4), torch.randn(64), 0.9 * (discounts - terminated), noise)
    with torch.no_grad():
        sample = sac.actor.sample(phi, noise)
        next_q = sac.target(phi, sample.actions)
        expected = sac.td_target(batch, noise, torch.tensor(0.2))
    yield Case(
        "64 transitions: the project's own learner", (batch.rewards, terminated, next_q, sample.log_prob, 0.2, 0.9),
        expected, "all small cases pass? Then the minimum must be taken for each transition on its own",
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(check(soft_target, cases))
