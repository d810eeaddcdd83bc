"""Every kernel computes what the readable learner computes, and continues from its state."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from agents.kernels import bf16, onednn
from agents.kernels.bf16 import Bf16Stack
from agents.kernels.mlp import fresh_layers
from agents.kernels.onednn import OneDnnStack
from agents.kernels.registry import KERNELS, make_learner, usable_kernel
from agents.learner import Batch, Learner
from common.errors import UserError

F, A, B, HIDDEN = 9, 3, 64, (32, 24)
HERE = [name for name, kernel in KERNELS.items() if kernel.works_on("cpu")]
FAST = [name for name in HERE if name != "autograd"]
# How far weights may be from the readable learner's. In float32: a hundredth of a step of Adam. In bfloat16 a gradient
# of which little is left after cancelling may have either sign, and Adam makes whole steps of it: twice a step, for
# each step, is the most that two runs can part. What tells a wrong gradient is the way that all weights went together
# (`same_way`).
STEP, UPDATES = 1e-3, 20
# The relative error of rounding to bfloat16, which keeps 8 bits.
U = 2**-9
# A unit whose input lies within its rounding error of zero, U of what is usual, is on in one learner and off in the
# other: one unit in 2⁹, and the error of a gradient has the root of that share of its norm.
FLIPPED = U**0.5
# How far what is logged may be from it, relatively and absolutely. In bfloat16 a gradient's norm changes by no more
# than the gradient does. Means of outputs may cancel: of B terms of size 1, each rounded three times (as below),
# √B · 3 U is left, of their mean 3 U / √B; as the learners part, such errors add up at random over the updates. Of the
# two together six seeds of all cases, with bfloat16 emulated, used at most 0.28.
LOGGED = {name: (FLIPPED, 3 * U * (UPDATES / B) ** 0.5) if name == "bf16" else (1e-3, 1e-5) for name in HERE}
ARGUMENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "sac": ("sac", {"ent_coef": 0.1, "clip_targets": (-5.0, 0.0)}),
    "sac, tuned entropy": ("sac", {"ent_coef": None}),
    "td3": ("td3", {"clip_targets": (-5.0, 0.0)}),
}


def apart(steps: int, *kernels: str) -> float:
    """How far a weight of one of `kernels` may be from the readable learner's, or from the other's."""
    return 2 * STEP * steps if "bf16" in kernels else 1e-5


def same_way(before: dict[str, torch.Tensor], ours: Learner, theirs: Learner) -> float:
    """Cosine of the angle between the ways that all weights of two learners went."""
    ways = [torch.cat([(value - before[name]).flatten() for name, value in learner.stock_weights().items()])
            for learner in (ours, theirs)]  # fmt: skip
    return torch.cosine_similarity(*ways, dim=0).item()


def make(case: str, kernel: str, seed: int) -> Learner:
    torch.manual_seed(seed)
    algo, options = ARGUMENTS[case]
    return make_learner(algo, kernel, F, A, HIDDEN, STEP, 0.05, **options)


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
    rtol, atol = LOGGED[kernel]
    for batch in batches(UPDATES):
        measured, expected = ours.update(batch), theirs.update(batch)
        assert measured.keys() == expected.keys()
        for name, value in measured.items():
            assert value.shape == ()
            torch.testing.assert_close(value, expected[name], rtol=rtol, atol=atol, msg=lambda m, n=name: f"{n}: {m}")
    assert_equal_weights(ours, theirs, apart(UPDATES, kernel))
    moved = [(value - before[name]).abs().max() for name, value in theirs.stock_weights().items()]
    assert min(moved) > 1e-4
    assert same_way(before, ours, theirs) > 1 - FLIPPED**2
    observations, noise = torch.randn(5, F), torch.randn(5, A)
    for given in (noise, None):
        torch.testing.assert_close(
            ours.act(observations, given),
            theirs.act(observations, given),
            rtol=0,
            atol=FLIPPED if kernel == "bf16" else 1e-4,
        )


@pytest.mark.parametrize("case", ARGUMENTS)
@pytest.mark.parametrize("kernel", HERE)
@pytest.mark.parametrize("writer", HERE)
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
    assert_equal_weights(goes_on, began, 0.0 if kernel == writer else apart(2, kernel, writer))


@pytest.mark.parametrize("kernel", HERE)
def test_a_fresh_state_is_a_state(kernel: str) -> None:
    other = make("sac", kernel, 2)
    other.update(batches(1)[0])
    other.load(make("sac", "autograd", 1).state())
    fresh = make("sac", "autograd", 1)
    for learner in (other, fresh):
        learner.update(batches(1)[0])
    assert_equal_weights(other, fresh, apart(1, kernel))


@pytest.mark.parametrize("kernel", HERE)
def test_the_learning_rate_changes(kernel: str) -> None:
    learner = make("sac, tuned entropy", kernel, 0)
    before = {name: value.clone() for name, value in learner.stock_weights().items()}
    learner.set_learning_rate(0.0)
    learner.update(batches(1)[0])
    now = learner.stock_weights()
    assert all(torch.equal(now[name], value) for name, value in before.items() if "target" not in name)


def test_a_kernel_that_does_not_work_here_says_which_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onednn, "available", lambda: False)
    assert not bf16.available()
    with pytest.raises(UserError, match="onednn does not work on cpu here; choose one of autograd, blas"):
        make("sac", "onednn", 0)


def test_bf16_is_for_processors_with_the_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bf16, "native_bf16", lambda: False)
    because = r"bf16 does not work on cpu here \(it needs a processor with instructions for bfloat16.*\); choose one of"
    with pytest.raises(UserError, match=because):
        make("sac", "bf16", 0)
    assert usable_kernel("auto", "cpu") != "bf16"


@pytest.mark.skipif("bf16" not in HERE, reason="this processor has no instructions for bfloat16")
def test_bf16_rounds_the_products_between_hidden_layers_and_nothing_else() -> None:
    torch.manual_seed(0)
    rough, exact = Bf16Stack(2, (F, *HIDDEN, 1)), OneDnnStack(2, (F, *HIDDEN, 1))
    rough.read([fresh_layers(rough.sizes) for _ in range(2)])
    exact.flat.copy_(rough.flat)
    x, delta = torch.randn(B, F), torch.randn(2, B, 1)
    traces = [stack.forward(x) for stack in (rough, exact)]
    assert all(h.dtype == torch.float32 for layer in traces[0] for h in layer)
    for member in range(2):
        first, second, q = (layer[member] for layer in traces[0])
        exact_first, exact_second, exact_q = (layer[member] for layer in traces[1])
        assert torch.equal(first, exact_first)
        # Two factors, or a bias, and the result are rounded: at most 3 U of what the terms' sizes add up to.
        (weight, _, bias), (last, _, _) = exact.layers[1][member], exact.layers[2][member]
        bound = 3 * U * (first @ weight.abs() + bias.abs())
        assert not torch.equal(second, exact_second)
        assert ((second - exact_second).abs() <= bound).all()
        # The last layer passes these errors on, and adds none but float32's.
        assert ((q - exact_q).abs() <= bound @ last.abs() + 1e-6).all()
    for stack, trace in zip((rough, exact), traces, strict=True):
        stack.backward(x, trace, delta)
    for ours, theirs in zip(rough.grad_weights, exact.grad_weights, strict=True):
        assert (ours - theirs).norm() < FLIPPED * theirs.norm()


@pytest.mark.parametrize("wide", [True, False])
def test_auto_takes_onednn_for_wide_vectors_only(monkeypatch: pytest.MonkeyPatch, wide: bool) -> None:
    monkeypatch.setattr(onednn, "wide_vectors", lambda: wide)
    assert usable_kernel("auto", "cpu") == ("onednn" if wide and onednn.available() else "blas")
    assert usable_kernel("auto", "cuda") == "blas"
    monkeypatch.setattr(onednn, "available", lambda: False)
    assert usable_kernel("auto", "cpu") == "blas"


def test_wide_vectors_are_what_the_processor_says_it_has() -> None:
    flags = Path("/proc/cpuinfo")
    if not flags.exists():
        pytest.skip("only Linux lists a processor's flags")
    assert onednn.wide_vectors() == ("avx512f" in flags.read_text())
