"""Episode replay that lives on the GPU: the host decides which episodes, the device draws and relabels transitions.

`EpisodeReplay` with its transitions as tensors and its sampling as tensor operations of fixed shape, none of which
waits for a value, so that a CUDA graph can hold the drawing of a batch (agents/kernels/device.py). What changes from
draw to draw is random numbers from PyTorch's generator; what changes as episodes come in is written into the same
tensors by `refresh`.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from agents.relabelling import goal_steps, look_ahead, transitions_at
from agents.replay import Batch, EpisodeReplay


class TensorReward(Protocol):
    """The task's reward for tensors on any device: achieved and desired goals (B, G) to rewards (B,)."""

    def __call__(self, achieved: Tensor, desired: Tensor) -> Tensor:
        """Rewards (B,)."""
        ...


class DeviceReplay(EpisodeReplay):
    """`EpisodeReplay` on `device`. `reward` computes what `compute_reward` does, on tensors."""

    def __init__(self, *arguments: Any, reward: TensorReward, device: str, **options: Any):
        self.device, self.reward = torch.device(device), reward
        super().__init__(*arguments, **options)
        if self.reflection is not None:
            self.mirror_order = torch.from_numpy(self.reflection.order).to(self.device)
            self.mirror_sign, self.mirror_offset, self.mirror_actions = (
                torch.from_numpy(a).to(self.device)
                for a in (self.reflection.sign, self.reflection.offset, self.reflection.action_sign)
            )
        # For all episodes and for those that moved: slots, the ends of their steps on one line, and its length.
        self.places = max(self.episodes, self.matcher.size)
        self.lines = [self._line() for _ in range(2)]
        self.device_lengths = torch.zeros(self.episodes, dtype=torch.long, device=self.device)
        # Whether there are episodes that moved yet, times their share.
        self.share = torch.zeros((), device=self.device)
        self.told_at = -1

    def _line(self) -> dict[str, Tensor]:
        zeros = {key: torch.zeros(self.places, dtype=torch.long, device=self.device) for key in ("slots", "ends")}
        return zeros | {"total": torch.zeros((), dtype=torch.float64, device=self.device)}

    def _storage(self, n: int) -> dict[str, Any]:
        return {key: torch.zeros(n, *shape, device=self.device) for key, shape in self.shapes.items()}

    def _write(self, slot: int, episode: dict[str, np.ndarray]) -> None:
        for key, value in episode.items():
            self.stored[key][slot] = torch.from_numpy(value).to(self.device)

    def _read(self, slots: np.ndarray) -> dict[str, np.ndarray]:
        rows = torch.from_numpy(slots).to(self.device)
        return {key: value[rows].cpu().numpy() for key, value in self.stored.items()}

    def refresh(self, generator: np.random.Generator) -> None:
        """Tell the device which episodes there are now; to be called before batches are drawn.

        Raises `ValueError` when there are none.
        """
        if not len(self):
            raise ValueError("no finished episode yet")
        if self.told_at == self.added:
            return
        self.told_at = self.added
        some = self.moved_fraction > 0 and len(self.some) > 0
        if some:
            self._match(generator)
        for line, slots, ends in zip(self.lines, (self.all, self.some), (self.all_ends, self.some_ends), strict=True):
            if len(slots):
                # Padded with the last end, which no drawn place reaches.
                padded = np.full(self.places, ends[-1])
                padded[: len(ends)] = ends
                line["ends"].copy_(torch.from_numpy(padded))
                line["slots"][: len(slots)].copy_(torch.from_numpy(slots))
                line["total"].fill_(float(ends[-1]))
        self.device_lengths.copy_(torch.from_numpy(self.lengths))
        self.share.fill_(self.moved_fraction if some else 0.0)

    def _random(self, n: int) -> Tensor:
        # Double precision: a place among a million steps needs more than float32's 24 bits to be uniform.
        return torch.rand(n, dtype=torch.float64, device=self.device)

    def _draw_on(self, line: dict[str, Tensor], n: int) -> tuple[Tensor, Tensor]:
        # In an empty line every place is −1, which points at something; what is drawn there is not used.
        place = torch.minimum((self._random(n) * line["total"]).long(), line["ends"][-1] - 1)
        return transitions_at(torch, place, line["slots"], line["ends"], self.device_lengths)

    def draw(self, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """n transitions as `sample` draws them, on the device.

        x and next x (n, D), actions (n, A), rewards (n,), discounts (n,).
        """
        slots, steps = self._draw_on(self.lines[0], n)
        others, other_steps = self._draw_on(self.lines[1], n)
        chosen = self._random(n) < self.share
        slots, steps = torch.where(chosen, others, slots), torch.where(chosen, other_steps, steps)
        goals = self._device_goals(slots, steps)
        # The first rows get another goal of their episode, the rest keep their own.
        relabelled = torch.arange(n, device=self.device) < int(self.her_ratio * n)
        x = self.stored["x"][slots, steps]
        own = slice(self.goal, 2 * self.goal)
        goals = torch.where(relabelled[:, None], goals, x[:, own])
        next_x, rewards, discounts = self._device_ahead(slots, steps, goals, relabelled)
        x[:, own], next_x[:, own] = goals, goals
        actions = self.stored["actions"][slots, steps]
        if self.reflection is not None:
            turned = (self._random(n) < 0.5)[:, None]
            x, next_x = (torch.where(turned, self._mirrored(part), part) for part in (x, next_x))
            actions = torch.where(turned, actions * self.mirror_actions, actions)
        return x, next_x, actions, rewards, discounts

    def _mirrored(self, x: Tensor) -> Tensor:
        return x[:, self.mirror_order] * self.mirror_sign + self.mirror_offset

    def _between(self, low: Tensor | int, high: Tensor) -> Tensor:
        return low + (self._random(len(high)) * (high - low)).long()

    def _device_goals(self, slots: Tensor, steps: Tensor) -> Tensor:
        chosen = goal_steps(self.strategy, steps, self.device_lengths[slots], self._between)
        return self.stored["x"][slots, chosen + 1, : self.goal]

    def _device_ahead(
        self, slots: Tensor, steps: Tensor, goals: Tensor, relabelled: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        def reward(last: Tensor) -> Tensor:
            new = self.reward(self.stored["x"][slots, last + 1, : self.goal], goals)
            return torch.where(relabelled, new, self.stored["rewards"][slots, last])

        last, rewards, discounts = look_ahead(
            torch, steps, self.device_lengths[slots], torch.ones(len(slots), device=self.device), self.n_steps,
            self.gamma, reward, lambda last: self.stored["terminated"][slots, last],
        )  # fmt: skip
        return self.stored["x"][slots, last + 1], rewards, discounts

    def sample(self, n: int, generator: np.random.Generator) -> Batch:
        """As `EpisodeReplay.sample`, from PyTorch's generator; for tests and for looking at what is drawn."""
        self.refresh(generator)
        return Batch(*(part.cpu().numpy() for part in self.draw(n)))
