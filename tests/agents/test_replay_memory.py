"""A replay buffer's size is known before it is filled."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from agents.replay import EpisodeReplay
from agents.replay_memory import available, bytes_per_transition, check_memory
from common.errors import UserError

GOAL = gym.spaces.Box(-9, 9, (3,))


def space(size: int, frames: int) -> gym.spaces.Dict:
    pixels = gym.spaces.Box(0, 255, (3 * frames, size, size), np.uint8)
    robot = gym.spaces.Box(-9, 9, (10,))
    return gym.spaces.Dict({"pixels": pixels, "observation": robot, "achieved_goal": GOAL, "desired_goal": GOAL})


@pytest.mark.parametrize("frames", [1, 3])
def test_a_frame_of_84_takes_21_kilobytes_a_transition_however_many_are_stacked(frames: int) -> None:
    shown = space(84, frames)
    each = bytes_per_transition(shown, {"pixels": frames})
    assert 21_000 < each < 22_000
    # As the buffer really is: 20 episodes.
    buffer = EpisodeReplay(1000, 50, shown, 4, 1, lambda *_: 0.0, stacks={"pixels": frames})
    assert sum(array.nbytes for array in buffer.stored.values()) / 1000 == pytest.approx(each, rel=0.001)


def test_without_knowing_of_the_stack_each_frame_would_be_kept_three_times() -> None:
    assert bytes_per_transition(space(84, 3)) > 64_000


def test_what_does_not_fit_is_said_with_the_number_of_bytes() -> None:
    check_memory(1000, 21_000, 10**9)
    check_memory(10**9, 21_000, None)
    with pytest.raises(
        UserError,
        match=r"1,000,000 transitions of 21,000 bytes = 21,000,000,000 bytes, and 8,000,0.*--buffer-size 342857 fits",
    ):
        check_memory(1_000_000, 21_000, 8_000_000_000)
    assert available() is None or 10**6 < available() < 10**15
