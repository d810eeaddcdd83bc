"""Every kernel computes what the readable learner computes, and continues from its state."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from agents.kernels import onednn
from agents.kernels.registry import KERNELS, make_learner, usable_kernel
from agents.learner import Batch, Learner
from common.errors import UserError

F, A, B, HIDDEN = 9, 3, 64, (32, 24)
FAST = [name for name in KERNELS if name != "autograd"]
ARGUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "sac": ("sac", {"ent_coef": 0.1, "clip_targets": (-5.0, 0.0)}),
    "sac, tuned entropy": ("sac", {"ent_coef": None}),
    "td3": ("td3", {"clip_targets": (-5.0, 0.0)}),
}


def make(case: str, kernel: str, seed: int) -> Learner:
    torch.manual_seed(seed)
    algo, options = ARGUMENTS[case]
    return make_learner(algo, kernel, F, A, HIDDEN, 1e-3, 0.05, **options)


def batches(count: int, seed: int = 0) -> list[Batch]:
    torch.manual_seed(seed)
    return [
        Batch(torch.randn(B, F), torch.randn(B, F), torch.tanh(torch.randn(B, A)), -torch.rand(B),
              0.9 * (torch.rand(B) > 0.1), torch.randn(2 * B, A)) for _ in range(count)
    ]  # fmt: skip


def assert_equal_weights(ours: Learner, theirs: Learner, atol: float) -> None:
    expected = theirs.stock_weights()
    assert ours.stock_weights().keys() == expected.keys()
    for name, value in ours.stock_weights().items():
        torch.testing.assert_close(value, expected[name], rtol=0.0, atol=atol, msg=lambda m, n=name: f"{n}: {m}")


@pytest.mark.parametrize("case", ARGUMENTS)
@pytest.mark.parametrize("kernel", FAST)
def test_a_kernel_stays_with_the_readable_learner(case: str, kernel: str) -> None:
    # The same seed gives the same weights: all of them are drawn in the same order.
    ours, theirs = make(case, kernel, 1), make(case, "autograd", 1)
    assert_equal_weights(ours, theirs, 0.0)
    before = {name: value.clone() for name, value in theirs.stock_weights().items()}
    for batch in batches(20):
        measured, expected = ours.update(batch), theirs.update(batch)
        assert measured.keys() == expected.keys()
        for name, value in measured.items():
            assert value.shape == ()
            torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
    # Each step of Adam is up to 1e-3; twenty of them agree to a hundredth of one.
    assert_equal_weights(ours, theirs, 1e-5)
    moved = [(value - before[name]).abs().max() for name, value in theirs.stock_weights().items()]
    assert min(moved) > 1e-4
    observations, noise = torch.randn(5, F), torch.randn(5, A)
    for given in (noise, None):
        torch.testing.assert_close(ours.act(observations, given), theirs.act(observations, given), rtol=0, atol=1e-4)


@pytest.mark.parametrize("case", ARGUMENTS)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("writer", KERNELS)
def test_a_kernel_continues_what_another_began(case: str, kernel: str, writer: str) -> None:
    first, last = batches(3), batches(2, seed=7)
    began, goes_on = make(case, writer, 1), make(case, kernel, 2)
    for batch in first:
        began.update(batch)
    goes_on.load(began.state())
    assert_equal_weights(goes_on, began, 0.0)
    for batch in last:
        began.update(batch)
        goes_on.update(batch)
    # Bit for bit where it is the same kernel.
    assert_equal_weights(goes_on, began, 0.0 if kernel == writer else 1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_fresh_state_is_a_state(kernel: str) -> None:
    other = make("sac", kernel, 2)
    other.update(batches(1)[0])
    other.load(make("sac", "autograd", 1).state())
    fresh = make("sac", "autograd", 1)
    for learner in (other, fresh):
        learner.update(batches(1)[0])
    assert_equal_weights(other, fresh, 1e-5)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_learning_rate_changes(kernel: str) -> None:
    learner = make("sac, tuned entropy", kernel, 0)
    before = {name: value.clone() for name, value in learner.stock_weights().items()}
    learner.set_learning_rate(0.0)
    learner.update(batches(1)[0])
    now = learner.stock_weights()
    assert all(torch.equal(now[name], value) for name, value in before.items() if "target" not in name)


def test_a_kernel_that_does_not_work_here_says_which_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "available", lambda: False)
    with pytest.raises(UserError, match="onednn does not work on cpu here; choose one of autograd, blas"):
        make("sac", "onednn", 0)


def test_auto_is_the_fastest_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    assert usable_kernel("auto", "cpu") == ("onednn" if onednn.available() else "blas")
    assert usable_kernel("auto", "cuda") == "blas"
    monkeypatch.setattr(onednn, "available", lambda: False)
    assert usable_kernel("auto", "cpu") == "blas"
