"""The optimiser on one flat vector, at a learning rate that changes."""

from __future__ import annotations

import torch

from agents.kernels.mlp import FlatAdam


def test_adam_at_a_changing_rate_is_pytorchs() -> None:
    torch.manual_seed(0)
    flat, grad = torch.randn(50), torch.zeros(50)
    stock = torch.nn.Parameter(flat.clone())
    ours, theirs = FlatAdam(flat, grad, 1e-2), torch.optim.Adam([stock], lr=1e-2, fused=True)
    for rate in (1e-2, 1e-2, 3e-3, 1e-4, 5e-2):
        grad.copy_(torch.randn(50))
        stock.grad = grad.clone()
        # In place: a CUDA graph that was recorded before must see it.
        ours.learning_rate.fill_(rate)
        theirs.param_groups[0]["lr"] = rate
        ours.step()
        theirs.step()
        assert torch.equal(flat, stock.data)


def test_the_rate_is_not_rounded() -> None:
    """Runs from before the rate was a tensor repeat bit for bit."""
    assert FlatAdam(torch.zeros(3), torch.zeros(3), 1e-3).learning_rate.item() == 1e-3
