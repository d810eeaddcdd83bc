"""What a policy from pixels was shown, step by step, and what of it is drawn as looked at."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure

from configs.pixels import run_config
from configs.recipes import resolve
from envs.rendering import choose_backend
from envs.task import Task
from evaluation.sights import draw_looks, episode, picture, shown_to, untrained

pytestmark = pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")


def test_an_episode_is_what_was_shown_at_the_reset_and_after_each_step() -> None:
    task = Task("FetchReach-v4", ("pixels:goal_mode=none,camera=side+front,size=24",))
    seen = episode(task, lambda shown, env: np.array([1.0, 0, 0, 0], np.float32), 3, 4)
    # The gripper, whose x comes first, moves forward, and the picture with it.
    x = [float(shown["observation"][0]) for shown in seen]
    assert len(seen) == 5 and x == sorted(x) and x[-1] > x[0] + 0.02
    assert picture(seen[0]).shape == (24, 24, 3) and not np.array_equal(picture(seen[0]), picture(seen[-1]))


def test_looks_are_drawn_on_the_frame_of_the_policy() -> None:
    settings = resolve(run_config("distil", 0, smoke=True)).settings
    policy = untrained(settings)
    seen = shown_to(policy, settings, 1, 1)
    assert len(seen) == 2
    axes = Figure().subplots()
    draw_looks(axes, policy, seen[1])
    frame, red = axes.images
    np.testing.assert_array_equal(frame.get_array(), picture(seen[1]))
    # Covering a part of the picture changes what even an untrained policy does somewhere.
    assert 0 <= red.get_alpha().min() < red.get_alpha().max() <= 0.8
