"""`OneDnnStack` with its products between hidden layers in bfloat16, where the processor has instructions for it.

A bfloat16 has float32's range and 8 bits of precision. Two fit where one float32 was: a product of 256 × 256 matrices
takes about half the time; the factors are rounded to a relative error of up to 2⁻⁹, their products are summed in
float32, and the sum is rounded again. All that is kept, and all that must be precise, stays float32: weights, Adam,
activations, biases' gradients, the first layer (positions in metres, whose first digits are alike) and the last one
(Q-values of −20 would be rounded to a tenth, and so would be the targets made of them).

Only layers between hidden ones have enough arithmetic to pay for the rounding of what goes in and out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from agents.kernels import onednn
from agents.kernels.mlp import ALL, Trace
from agents.kernels.onednn import OneDnnStack, linear, native_bf16


def available() -> bool:
    """Whether oneDNN is here, and the processor multiplies bfloat16 by itself."""
    return onednn.available() and native_bf16()


class Bf16Stack(OneDnnStack):
    """`OneDnnStack`, with rounded copies of the weights; a trace is float32, as there."""

    def __init__(self, k: int, sizes: Sequence[int], device: str = "cpu"):
        super().__init__(k, sizes, device)
        self.rounded = torch.zeros_like(self.flat, dtype=torch.bfloat16)
        self.rounded_layers = self._members(*self.views(self.rounded))

    def forward(self, x: Tensor, members: slice = ALL) -> Trace:
        """Inputs (B, sizes[0]) to the activations of all layers of `members`."""
        # Here, so that what follows a forward pass, the backward one, has the same weights; all at once is one call.
        self.rounded.copy_(self.flat)
        return super().forward(x, members)

    def _is_between(self, number: int) -> bool:
        return 0 < number < len(self.layers) - 1

    def _up(self, number: int, member: int, h: Tensor) -> Tensor:
        if not self._is_between(number):
            return super()._up(number, member, h)
        _, transposed, bias = self.rounded_layers[number][member]
        return linear(h.bfloat16(), transposed, bias, "relu").float()

    def _through_weights(self, number: int, member: int, delta: Tensor) -> Tensor:
        if not self._is_between(number):
            return super()._through_weights(number, member, delta)
        return linear(delta.bfloat16(), self.rounded_layers[number][member][0]).float()

    def _weight_gradient(self, number: int, below: Tensor, delta: Tensor) -> Tensor:
        if not self._is_between(number):
            return super()._weight_gradient(number, below, delta)
        # In bfloat16 `mm` comes to oneDNN, too, and takes a transposed view without a copy.
        return torch.mm(below.bfloat16().T, delta.bfloat16())
