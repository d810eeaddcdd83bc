"""Updates on a GPU: drawing, relabelling, rewards, input map and the learner's update as one CUDA graph.

Two small perceptrons keep a GPU busy for microseconds; what takes long is to launch each of some hundred operations
from Python. A CUDA graph records them once and launches them together.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agents.device_replay import DeviceReplay
from agents.input_map import InputMap
from agents.learner import Batch, Learner
from agents.round_means import RoundMeans

# Updates of each kind outside of a graph at first: libraries set themselves up then, which cannot be recorded.
WARM_UP = 3


class DeviceUpdates:
    """Updates of `learner` (agents/off_policy.py) on batches that `replay` draws on its device.

    A learner whose updates differ repeats itself after `learner.period` of them; one graph is recorded for each.
    Without a GPU the same operations run one by one.
    """

    def __init__(self, replay: DeviceReplay, input_map: InputMap, learner: Learner, actions: int):
        self.replay, self.input_map, self.learner, self.actions = replay, input_map, learner, actions
        self.graphs: dict[tuple[int, int], tuple[torch.cuda.CUDAGraph, dict[str, Tensor]]] = {}
        self.done: dict[tuple[int, int], int] = {}
        # A stream of its own: graphs that share one share its memory for matrix products, and take it with them.
        self.stream = torch.cuda.Stream() if replay.device.type == "cuda" else None

    def __call__(self, count: int, batch: int) -> dict[str, Tensor]:
        """`count` updates on `batch` transitions each; means of what they measured, scalars on the device by name."""
        run = self._replayed if self.replay.device.type == "cuda" else self.one
        means = RoundMeans()
        for _ in range(count):
            means.add(run(batch))
        return means.values()

    def one(self, batch: int) -> dict[str, Tensor]:
        """One update, every operation of a shape that is known beforehand; what it measured, scalars by name."""
        x, next_x, *others = self.replay.draw(batch)
        noise = torch.randn(2 * batch, self.actions, device=self.replay.device)
        return self.learner.update(Batch(self.input_map(x), self.input_map(next_x), *others, noise))

    def _replayed(self, batch: int) -> dict[str, Tensor]:
        key = (batch, self.learner.updates % self.learner.period)
        if self.done.get(key, 0) < WARM_UP:
            self.done[key] = self.done.get(key, 0) + 1
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                losses = self.one(batch)
            torch.cuda.current_stream().wait_stream(self.stream)
            return losses
        if key in self.graphs:
            # The learner itself counts only what Python runs.
            self.learner.updates += 1
        else:
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, stream=self.stream):
                losses = self.one(batch)
            self.graphs[key] = graph, losses
        graph, losses = self.graphs[key]
        graph.replay()
        return losses
