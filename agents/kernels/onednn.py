"""`MlpStack` on oneDNN's matrix products, which use the whole width of the processor's vectors where MKL does not.

PyTorch multiplies float32 matrices on a CPU with MKL, and MKL takes its 256-bit code on AMD's processors, also where
these have 512-bit vectors: half of what the machine can do. oneDNN, which PyTorch brings along for convolutions, asks
the processor what it has; so does XLA, which is where a learner in JAX gets its speed from. A layer's product, bias and
ReLU are one call.

Sums are taken in another order than MKL's, so weights differ from `MlpStack`'s in their last bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from agents.kernels.mlp import ALL, MlpStack, Trace


def available() -> bool:
    """Whether this PyTorch has oneDNN, and its fused linear layer under the name that it has had since 2.0."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def wide_vectors() -> bool:
    """Whether this processor has vectors of 512 bits (AVX-512)."""
    return getattr(torch.cpu, "_is_avx512_supported", bool)()


def native_bf16() -> bool:
    """Whether this processor has instructions for bfloat16.

    Without them a product in bfloat16 is emulated, and slower than in float32.
    """
    return any(getattr(torch.cpu, f"_is_{name}_supported", bool)() for name in ("avx512_bf16", "amx_tile"))


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None, then: str = "none") -> Tensor:
    """x Wᵀ + b (B, outputs) of x (B, inputs) and W (outputs, inputs), followed by "relu" or "none".

    Transposed views cost nothing, so this is every product: A B = linear(A, Bᵀ).
    """
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, then, [], "")


class OneDnnStack(MlpStack):
    """`MlpStack` with one product for each member. A trace holds, for each layer, a list of K tensors (B, outputs)."""

    def __init__(self, k: int, sizes: Sequence[int], device: str = "cpu"):
        super().__init__(k, sizes, device)
        # Made once: making a view costs about as much as a small operation.
        self.layers = self._members(self.weights, self.biases)
        self.grads = self._members(self.grad_weights, self.grad_biases)

    def _members(self, weights: list[Tensor], biases: list[Tensor]) -> list[list[tuple[Tensor, Tensor, Tensor]]]:
        """For each layer and member: W (inputs, outputs), Wᵀ, b (outputs,)."""
        return [[(w[m], w[m].T, b[m, 0]) for m in range(self.k)] for w, b in zip(weights, biases, strict=True)]

    def forward(self, x: Tensor, members: slice = ALL) -> Trace:
        """Inputs (B, sizes[0]) to the activations of all layers of `members`."""
        trace: Trace = [[] for _ in self.layers]
        for member in range(self.k)[members]:
            h = x
            for number in range(len(self.layers)):
                h = self._up(number, member, h)
                trace[number].append(h)
        return trace

    def _up(self, number: int, member: int, h: Tensor) -> Tensor:
        # h ← relu(h W + b)
        _, transposed, bias = self.layers[number][member]
        return linear(h, transposed, bias, "relu" if number < len(self.layers) - 1 else "none")

    def outputs(self, trace: Trace) -> Tensor:
        """The last layer's, (K, B, sizes[-1])."""
        return torch.stack(trace[-1]) if len(trace[-1]) > 1 else trace[-1][0][None]

    def first_rows(self, trace: Trace, n: int) -> Trace:
        """The activations of the first `n` inputs."""
        return [[h[:n] for h in layer] for layer in trace]

    def backward(self, x: Tensor, trace: Trace, delta: Tensor) -> None:
        """Write the gradient into `grad`, given dL/d(output) = `delta` (K, B, sizes[-1])."""
        # oneDNN has only its slow reference code where rows lie apart.
        x = x.contiguous()
        for member, d in enumerate(delta):
            for number in reversed(range(len(self.layers))):
                below = trace[number - 1][member] if number else x
                grad_weight, _, grad_bias = self.grads[number][member]
                # dL/dW = hᵀ δ, dL/db = Σ δ
                grad_weight.copy_(self._weight_gradient(number, below, d))
                torch.sum(d, dim=0, out=grad_bias)
                if number:
                    d = self._down(number, member, d, below)

    def input_gradient(self, trace: Trace, which: Tensor, scale: float, columns: slice) -> Tensor:
        """dL/d(inputs in `columns`), (B, columns), for L = `scale` · Σ_b output of member `which`[b] at row b."""
        # All rows for both members: to pick a member's rows and to put them back takes as long as their products save.
        delta = torch.zeros(self.k, len(which), 1).scatter_(0, which[None, :, None], scale)
        return self.to_inputs(trace, delta, columns).sum(0)

    def to_inputs(self, trace: Trace, delta: Tensor, columns: slice, members: slice = ALL) -> Tensor:
        """dL/d(inputs in `columns`) of each of `members`, (K, B, columns), given dL/d(output) = `delta` (K, B, 1)."""
        result = []
        for place, (member, d) in enumerate(zip(range(self.k)[members], delta, strict=True)):
            for number in reversed(range(1, len(self.layers))):
                d = self._down(number, member, d, trace[number - 1][place])
            result.append(linear(d, self.layers[0][member][0][columns]))
        return torch.stack(result)

    def _down(self, number: int, member: int, delta: Tensor, below: Tensor) -> Tensor:
        # δ ← (δ Wᵀ) ⊙ [h > 0]
        delta = self._through_weights(number, member, delta)
        return torch.ops.aten.threshold_backward.grad_input(delta, below, 0, grad_input=delta)

    def _through_weights(self, number: int, member: int, delta: Tensor) -> Tensor:
        weight, transposed, _ = self.layers[number][member]
        return delta * transposed if delta.shape[1] == 1 else linear(delta, weight)

    def _weight_gradient(self, number: int, below: Tensor, delta: Tensor) -> Tensor:
        return _transposed_times(below, delta)


def _transposed_times(a: Tensor, b: Tensor) -> Tensor:
    """Aᵀ B (P, Q) of A (N, P) and B (N, Q)."""
    # oneDNN puts one of the two in order by itself; the narrower one is cheaper to copy.
    if a.shape[1] <= b.shape[1]:
        return linear(a.T.contiguous(), b.T)
    return linear(b.T.contiguous(), a.T).T
