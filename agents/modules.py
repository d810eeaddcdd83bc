"""Perceptrons as ordinary modules; their weights and optimiser states under names that other learners understand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn


def perceptron(sizes: Sequence[int]) -> nn.Sequential:
    """Linear layers of `sizes` = (inputs, hidden…, outputs) with ReLU between them, and PyTorch's initialisation."""
    layers: list[nn.Module] = []
    for inputs, outputs in zip(sizes, sizes[1:], strict=False):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


class TwinCritic(nn.Module):
    """Two action values of (features, action), each a perceptron of its own."""

    def __init__(self, features: int, actions: int, hidden: Sequence[int]):
        super().__init__()
        self.members = nn.ModuleList([perceptron((features + actions, *hidden, 1)) for _ in range(2)])

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:
        """Q₁ and Q₂, (2, B), of features (B, F) and actions (B, A)."""
        inputs = torch.cat([features, actions], dim=1)
        # Each member gives (B, 1).
        return torch.stack([member(inputs).squeeze(1) for member in self.members])

    def stock_weights(self, name: str) -> dict[str, Tensor]:
        """Weights (outputs, inputs), biases (outputs,) as stock names them in a network `name`: `critic.qf0.2.bias`."""
        return {
            f"{name}.qf{k}.{key}": tensor
            for k, member in enumerate(self.members)
            for key, tensor in member.state_dict().items()
        }


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    """One step of `optimizer` against the gradient of the scalar `loss`; no other parameters get a gradient."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    optimizer.zero_grad()
    loss.backward(inputs=parameters)
    optimizer.step()


def grad_norm(parameters: Iterable[Tensor]) -> Tensor:
    """Length, a scalar, of the gradient of all `parameters` together."""
    return torch.stack([p.grad.norm() for p in parameters if p.grad is not None]).norm()


def extractor_weights(encoder: nn.Module, networks: Iterable[str]) -> dict[str, Tensor]:
    """The encoder's weights, of the same shapes, as stock names them: each of `networks` has its own extractor."""
    return {f"{name}.features_extractor.{k}": t for name in networks for k, t in encoder.state_dict().items()}


def adam_state(optimizer: torch.optim.Adam, named: dict[str, nn.Parameter]) -> dict[str, Any]:
    """Adam's step count and moments under the names of the parameters; empty moments before the first step."""
    states = {name: optimizer.state[p] for name, p in named.items() if p in optimizer.state}
    moments = {key: {name: state[key] for name, state in states.items()} for key in ("exp_avg", "exp_avg_sq")}
    return moments | {"step": next((state["step"] for state in states.values()), torch.zeros(()))}


def load_adam(optimizer: torch.optim.Adam, named: dict[str, nn.Parameter], state: dict[str, Any]) -> None:
    """Take over what `adam_state` gave for parameters of these names and shapes."""
    for name, parameter in named.items():
        # Adam makes the moments of a parameter that has none at its next step.
        optimizer.state.pop(parameter, None)
        if name in state["exp_avg"]:
            moments = {key: state[key][name].to(parameter).clone() for key in ("exp_avg", "exp_avg_sq")}
            optimizer.state[parameter] = moments | {"step": state["step"].clone().cpu()}
