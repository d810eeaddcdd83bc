"""Stacks of small multilayer perceptrons with a hand-written backward pass, for updates without per-call overhead.

Two critics of equal shape are one stack: every layer is one batched matrix product. All weights of a stack lie in one
flat vector, so that Adam and the target update are one call each. Nothing is recorded for automatic differentiation:
the chain rule below computes the gradients that are wanted, and no others. `agents/kernels/onednn.py` has the same
stack on another library of matrix products.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

ALL = slice(None)
# What a forward pass leaves for the backward pass: here one tensor (K, B, sizes[l + 1]) a layer.
Trace = list[Any]


def fresh_layers(sizes: Sequence[int]) -> list[nn.Linear]:
    """Linear layers with PyTorch's default initialisation, which Stable-Baselines3 keeps."""
    return [nn.Linear(a, b) for a, b in zip(sizes, sizes[1:], strict=False)]


class MlpStack:
    """K perceptrons with ReLU between the layers `sizes` = (inputs, hidden…, outputs).

    `flat`: all parameters, (P,). `weights[l]`: (K, sizes[l], sizes[l + 1]) and `biases[l]`: (K, 1, sizes[l + 1]) are
    views of it, and `grad`, `grad_weights`, `grad_biases` are the same for the gradient.
    """

    def __init__(self, k: int, sizes: Sequence[int], device: str = "cpu"):
        self.k, self.sizes = k, tuple(sizes)
        count = sum(k * (a + 1) * b for a, b in zip(sizes, sizes[1:], strict=False))
        self.flat = torch.zeros(count, device=device)
        self.grad = torch.zeros(count, device=device)
        self.weights, self.biases = self.views(self.flat)
        self.grad_weights, self.grad_biases = self.views(self.grad)

    def views(self, flat: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Weights (K, sizes[l], sizes[l + 1]) and biases (K, 1, sizes[l + 1]) of each layer l: views of `flat` (P,)."""
        weights, biases, at = [], [], 0
        for a, b in zip(self.sizes, self.sizes[1:], strict=False):
            weights.append(flat[at : at + self.k * a * b].view(self.k, a, b))
            at += self.k * a * b
            biases.append(flat[at : at + self.k * b].view(self.k, 1, b))
            at += self.k * b
        return weights, biases

    def forward(self, x: Tensor, members: slice = ALL) -> Trace:
        """Inputs (B, sizes[0]) to the activations of all layers of `members`, which the methods below understand."""
        h = x.expand(len(range(self.k)[members]), *x.shape)
        activations = []
        last = len(self.weights) - 1
        for layer, (weights, biases) in enumerate(zip(self.weights, self.biases, strict=True)):
            weight, bias = weights[members], biases[members]
            # h ← relu(h W + b)
            h = _times_column(h, weight) + bias if weight.shape[2] == 1 else torch.baddbmm(bias, h, weight)
            if layer < last:
                h.relu_()
            activations.append(h)
        return activations

    def outputs(self, activations: Trace) -> Tensor:
        """The last layer's, (K, B, sizes[-1])."""
        return activations[-1]

    def first_rows(self, activations: Trace, n: int) -> Trace:
        """The activations of the first `n` inputs."""
        return [h[:, :n] for h in activations]

    def backward(self, x: Tensor, activations: Trace, delta: Tensor) -> None:
        """Write the gradient into `grad`, given dL/d(output) = `delta` (K, B, sizes[-1])."""
        for layer in reversed(range(len(self.weights))):
            below = activations[layer - 1] if layer else x.expand(self.k, *x.shape)
            # dL/dW = hᵀ δ, dL/db = Σ δ
            if delta.shape[2] == 1:
                torch.sum(below * delta, dim=1, out=self.grad_weights[layer][:, :, 0])
            else:
                torch.bmm(below.transpose(1, 2), delta, out=self.grad_weights[layer])
            torch.sum(delta, dim=1, keepdim=True, out=self.grad_biases[layer])
            if layer:
                delta = self._through(layer, delta, below)

    def input_gradient(self, activations: Trace, which: Tensor, scale: float, columns: slice) -> Tensor:
        """dL/d(inputs in `columns`), (B, columns), for L = `scale` · Σ_b output of member `which`[b] at row b.

        Weights get no gradient. `which` (B,) holds indices of members; the outputs have width 1.
        """
        if which.device.type == "cpu":
            # Half of the rows belong to each critic: products for these rows alone are half of the arithmetic.
            result = torch.empty(len(which), len(range(self.sizes[0])[columns]))
            for k in range(self.k):
                rows = torch.nonzero(which == k)[:, 0]
                chosen = [h[k : k + 1].index_select(1, rows) for h in activations]
                delta = torch.full((1, len(rows), 1), scale)
                result[rows] = self.to_inputs(chosen, delta, columns, slice(k, k + 1))[0]
            return result
        # Shapes that do not depend on values, as a CUDA graph needs them.
        delta = torch.zeros_like(activations[-1]).scatter_(0, which[None, :, None], scale)
        return self.to_inputs(activations, delta, columns).sum(0)

    def to_inputs(self, activations: Trace, delta: Tensor, columns: slice, members: slice = ALL) -> Tensor:
        """dL/d(inputs in `columns`) of each of `members`, (K, B, columns), given dL/d(output) = `delta` (K, B, 1)."""
        for layer in reversed(range(1, len(self.weights))):
            delta = self._through(layer, delta, activations[layer - 1], members)
        return torch.bmm(delta, self.weights[0][members, columns].transpose(1, 2))

    def _through(self, layer: int, delta: Tensor, below: Tensor, members: slice = ALL) -> Tensor:
        # δ ← (δ Wᵀ) ⊙ [h > 0]
        weight = self.weights[layer][members].transpose(1, 2)
        delta = delta * weight if delta.shape[2] == 1 else torch.bmm(delta, weight)
        # In place: a fresh array of this size would cost as much as the comparison.
        return torch.ops.aten.threshold_backward.grad_input(delta, below, 0, grad_input=delta)

    def read(self, members: Sequence[Sequence[nn.Linear]]) -> None:
        """Copy the parameters of K sequences of linear layers."""
        for k, layers in enumerate(members):
            for layer, linear in enumerate(layers):
                self.weights[layer][k].copy_(linear.weight.detach().T)
                self.biases[layer][k, 0].copy_(linear.bias.detach())

    def named(self, flat: Tensor, members: Sequence[str]) -> dict[str, Tensor]:
        """Views of `flat` (P,) under the names that they have in K modules of `nn.Sequential`, called `members`.

        The second linear layer of `qf0` is `qf0.2`: the first ReLU stands between them. Weights are (outputs, inputs),
        biases (outputs,).
        """
        weights, biases = self.views(flat)
        named = {}
        for k, member in enumerate(members):
            for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
                named[f"{member}.{2 * layer}.weight"] = weight[k].T
                named[f"{member}.{2 * layer}.bias"] = bias[k, 0]
        return named


def _times_column(h: Tensor, column: Tensor) -> Tensor:
    """(K, B, H) times (K, H, 1): as a product and a sum, since matrix products are slow for a single column."""
    return (h * column.transpose(1, 2)).sum(2, keepdim=True)


class FlatAdam:
    """Adam (Kingma & Ba 2015, algorithm 1) on one flat vector (P,), with PyTorch's defaults and its fused kernel."""

    def __init__(self, parameter: Tensor, grad: Tensor, learning_rate: float):
        self.parameter, self.grad = parameter, grad
        # A tensor, so that a CUDA graph reads what it holds now; its fused kernel takes single precision.
        precision = torch.float32 if parameter.device.type == "cuda" else torch.float64
        self.learning_rate = torch.tensor(learning_rate, dtype=precision, device=parameter.device)
        self.exp_avg, self.exp_avg_sq = torch.zeros_like(parameter), torch.zeros_like(parameter)
        self.step_count = torch.zeros((), device=parameter.device)

    def step(self) -> None:
        """One update of `parameter` from `grad`."""
        self.step_count += 1
        torch._fused_adam_(
            [self.parameter], [self.grad], [self.exp_avg], [self.exp_avg_sq], [], [self.step_count],
            lr=self.learning_rate, beta1=0.9, beta2=0.999, weight_decay=0.0, eps=1e-8, amsgrad=False, maximize=False,
        )  # fmt: skip

    def state(self, stack: MlpStack, members: Sequence[str]) -> dict[str, Any]:
        """What a continued run needs, with the moments under the names of `stack.named`."""
        moments = {"exp_avg": self.exp_avg, "exp_avg_sq": self.exp_avg_sq}
        return {key: stack.named(flat, members) for key, flat in moments.items()} | {"step": self.step_count}

    def load(self, stack: MlpStack, members: Sequence[str], state: dict[str, Any]) -> None:
        """Take over `state`; moments that it does not have are zero."""
        for key, flat in (("exp_avg", self.exp_avg), ("exp_avg_sq", self.exp_avg_sq)):
            flat.zero_()
            copy_named(state[key], stack.named(flat, members))
        self.step_count.copy_(state["step"])


def copy_named(source: dict[str, Tensor], views: dict[str, Tensor]) -> None:
    """Write each tensor of `source` into the view of the same name and shape."""
    for name, tensor in source.items():
        views[name].copy_(tensor)
