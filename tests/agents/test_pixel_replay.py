"""Frames kept once and stacked when sampled: the very stacks that the environment showed, also at an episode's ends."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from agents.replay import EpisodeReplay

T, K, N = 7, 3, 2
PIXELS = gym.spaces.Box(0, 255, (K * 2, 4, 4), np.uint8)
ROBOT, GOAL = gym.spaces.Box(-9, 9, (2,)), gym.spaces.Box(-9, 9, (1,))


def shown(episode: int, t: int) -> dict[str, np.ndarray]:
    """A stack of K frames of two channels; the channels' values are 20 · episode + step, and 100 more."""
    frames = [np.full((1, 4, 4), 20 * episode + max(t - age, 0), np.uint8) for age in range(K - 1, -1, -1)]
    return {"pixels": np.concatenate([np.concatenate([f, f + 100]) for f in frames]),
            "observation": np.array([episode, t], np.float32)}  # fmt: skip


def filled(space: gym.spaces.Dict, episodes: int, capacity: int, n_steps: int = 1) -> EpisodeReplay:
    replay = EpisodeReplay(capacity, T, space, 1, N, lambda *_: 0.0, her_ratio=0.0, n_steps=n_steps, gamma=0.5,
                           stacks={"pixels": K})  # fmt: skip
    for first in range(0, episodes, N):
        for t in range(T):
            now, then = ([shown(first + i, t + dt) for i in range(N)] for dt in (0, 1))
            here, there = ({key: np.stack([o[key] for o in many]) for key in many[0]} for many in (now, then))
            replay.add(replay.flat(here), replay.flat(there), np.zeros((N, 1), np.float32), np.zeros(N, np.float32),
                       np.full(N, t == T - 1), np.zeros(N, np.float32), replay.rest(here),
                       replay.rest(there))  # fmt: skip
    return replay


@pytest.mark.parametrize("n_steps", [1, 3])
def test_stacks_come_back_as_they_were_shown(n_steps: int) -> None:
    space = gym.spaces.Dict({"pixels": PIXELS, "observation": ROBOT})
    # The ring buffer has wrapped.
    replay = filled(space, 8, capacity=6 * T, n_steps=n_steps)
    assert replay.stored["extra.pixels"].shape == (6, T + 1, 2, 4, 4)
    batch = replay.sample(400, np.random.default_rng(0))
    for x, extra in ((batch.x, batch.extra), (batch.next_x, batch.next_extra)):
        for row, pixels in zip(x, extra["pixels"], strict=True):
            np.testing.assert_array_equal(pixels, shown(*row.astype(int))["pixels"])
    assert set(batch.x[:, 0]) == {2, 3, 4, 5, 6, 7} and set(batch.x[:, 1]) == set(range(T))


def test_a_task_may_show_no_vector_and_no_goal() -> None:
    replay = filled(gym.spaces.Dict({"pixels": PIXELS}), 2, capacity=4 * T)
    batch = replay.sample(50, np.random.default_rng(0))
    assert batch.x.shape == (50, 0) and batch.extra["pixels"].shape == (50, 6, 4, 4)
    assert replay.unflatten(batch.x) == {}


def test_what_is_exported_comes_back() -> None:
    space = gym.spaces.Dict({"pixels": PIXELS, "observation": ROBOT, "achieved_goal": GOAL})
    # A goal shown alone is no pair that could be relabelled: it is kept beside the frames.
    replay = EpisodeReplay(4 * T, T, space, 1, N, lambda *_: 0.0, her_ratio=0.0, stacks={"pixels": K})
    assert replay.goal == 0 and set(replay.extra) == {"pixels", "achieved_goal"}
    other = filled(gym.spaces.Dict({"pixels": PIXELS, "observation": ROBOT}), 4, 8 * T)
    again = filled(gym.spaces.Dict({"pixels": PIXELS, "observation": ROBOT}), 0, 8 * T)
    again.load(other.export(0))
    one, two = (buffer.sample(30, np.random.default_rng(1)).extra["pixels"] for buffer in (other, again))
    np.testing.assert_array_equal(one, two)
