"""What precedes the networks: normalisation and the relative goal, as one linear map that folds into a layer.

    φ = A x + c,   x = (achieved_goal, desired_goal, observation),   φ = (x normalised, (desired − achieved) / scale)

A network that reads φ through W φ + b is the network that reads x through (W A) x + (b + W c). So a checkpoint holds
plain networks on plain observations, and stock Stable-Baselines3 acts identically.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class InputMap:
    """Running mean and spread of x (D,), and the map A (D + G, D), c (D + G,) made of them.

    The first 2 G entries of x are the achieved and the desired goal (Stable-Baselines3 concatenates a dictionary in the
    alphabetical order of its keys). With `normalise` or `relative_goal` off, that part is left out of the map.

    `measured_at`: where in the observation the achieved goal is measured, if the networks are to read it there. The
    columns of A for the achieved goal are then zero, so that whatever hindsight keeps there never reaches a network.
    """

    # A constant entry has no spread; below this (in the entry's own unit) it is left as it is, about its mean.
    SMALLEST = 1e-3

    def __init__(self, size: int, goal: int, normalise: bool = True, relative_goal: bool = True, device: str = "cpu",
                 measured_at: int | None = None):  # fmt: skip
        self.size, self.goal, self.normalise, self.relative_goal = size, goal, normalise, relative_goal
        # Where in x the networks read the achieved goal.
        self.achieved = slice(0, goal) if measured_at is None else slice(2 * goal + measured_at, 3 * goal + measured_at)
        self.count = 0.0
        self.mean, self.square = np.zeros(size), np.zeros(size)
        # Second moment of the relative goal about zero: "there" must stay at zero.
        self.relative_square = np.zeros(goal)
        outputs = size + (goal if relative_goal else 0)
        self.matrix = torch.zeros(outputs, size, device=device)
        self.offset = torch.zeros(outputs, device=device)
        self.refresh()

    @property
    def outputs(self) -> int:
        """Length of φ."""
        return len(self.offset)

    def observe(self, x: np.ndarray) -> None:
        """Add observations (N, D) to the running moments."""
        n = len(x)
        self.count += n
        weight = n / self.count
        self.mean += weight * (x.mean(0, dtype=np.float64) - self.mean)
        self.square += weight * ((x.astype(np.float64) ** 2).mean(0) - self.square)
        relative = x[:, self.goal : 2 * self.goal].astype(np.float64) - x[:, self.achieved]
        self.relative_square += weight * ((relative**2).mean(0) - self.relative_square)

    def refresh(self) -> None:
        """Make the map of the moments so far."""
        matrix, offset = np.zeros(self.matrix.shape), np.zeros(len(self.offset))
        scale, shift = np.ones(self.size), np.zeros(self.size)
        if self.normalise and self.count:
            spread = np.sqrt(np.maximum(self.square - self.mean**2, 0.0))
            scale = 1.0 / np.where(spread > self.SMALLEST, spread, 1.0)
            shift = -self.mean * scale
        np.fill_diagonal(matrix[: self.size], scale)
        offset[: self.size] = shift
        if self.achieved.start:
            matrix[: self.goal], offset[: self.goal] = 0.0, 0.0
        if self.relative_goal:
            spread = np.sqrt(self.relative_square) if self.normalise and self.count else np.ones(self.goal)
            inverse = 1.0 / np.where(spread > self.SMALLEST, spread, 1.0)
            rows = np.arange(self.goal)
            matrix[self.size + rows, self.achieved.start + rows] = -inverse
            matrix[self.size + rows, self.goal + rows] = inverse
        self.matrix.copy_(torch.from_numpy(matrix))
        self.offset.copy_(torch.from_numpy(offset))

    def __call__(self, x: Tensor) -> Tensor:
        """φ (B, outputs) of x (B, D)."""
        # φ = A x + c
        return torch.addmm(self.offset, x, self.matrix.T)

    def fold(self, weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """The layer (W (outputs + rest, H), b (1, H)) on (φ, rest) as the same layer on (x, rest)."""
        through, rest = weight[: self.outputs].double(), weight[self.outputs :].double()
        # W' = A ᵀ W,  b' = b + c W;  in double precision, since A may be large where the spread is small
        folded = torch.cat([self.matrix.T.double() @ through, rest])
        return folded.float(), (bias.double() + self.offset.double() @ through).float()

    def state(self) -> dict[str, Tensor]:
        """The moments, for a continued run: `count` a scalar, `mean` and `square` (D,), `relative_square` (G,)."""
        moments = {"mean": self.mean, "square": self.square, "relative_square": self.relative_square}
        return {"count": torch.tensor(self.count, dtype=torch.float64)} | {
            name: torch.from_numpy(value.copy()) for name, value in moments.items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Take over the moments (D,) and (G,) that `state` gave."""
        self.count = float(state["count"])
        self.mean, self.square = state["mean"].numpy().copy(), state["square"].numpy().copy()
        self.relative_square = state["relative_square"].numpy().copy()
        self.refresh()
