"""Another look of the scene: each factor changes the picture alone, and the episode's seed decides how."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from common.errors import UserError
from envs.rendering import choose_backend
from envs.task import Task

pytestmark = pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
PIXELS = "pixels:goal_mode=desired,camera=near,size=32"
ACTION = np.array([0.5, -0.3, 0.2, 0.0], np.float32)


def seen(scene: str | None, seeds: tuple[int, ...] = (0, 1)) -> tuple[np.ndarray, np.ndarray]:
    """Frames (n, 3, 32, 32) after one step from each seed, and what the robot's own numbers were."""
    with contextlib.closing(Task("FetchPush-v4", (PIXELS, *([scene] if scene else []))).make()) as env:
        found = []
        for seed in seeds:
            env.reset(seed=seed)
            found.append(env.step(ACTION)[0])
    return np.stack([f["pixels"] for f in found]).astype(int), np.stack([f["observation"] for f in found])


PLAIN = seen(None)


@pytest.mark.parametrize("factor", ["camera=10", "move=0.05", "zoom=0.2", "light=0.5", "color=0.3", "occlusion=0.1"])
def test_each_factor_changes_the_picture_and_nothing_else(factor: str) -> None:
    frames, numbers = seen(f"scene:{factor}")
    assert (np.abs(frames - PLAIN[0]).mean(axis=(1, 2, 3)) > 1).all()
    np.testing.assert_array_equal(numbers, PLAIN[1])
    # The other environments of the task keep their light.
    np.testing.assert_array_equal(seen(None)[0], PLAIN[0])


def test_no_change_is_the_same_picture() -> None:
    np.testing.assert_array_equal(seen("scene")[0], PLAIN[0])


def test_the_seed_decides_and_what_went_before_does_not() -> None:
    every = "scene:camera=10,move=0.05,zoom=0.2,light=0.5,color=0.3,occlusion=0.1"
    frames, again = seen(every, (0, 1)), seen(every, (5, 1))
    np.testing.assert_array_equal(frames[0][1], again[0][1])


def test_a_tenth_of_the_picture_is_hidden() -> None:
    hidden = (seen("scene:occlusion=0.1", tuple(range(6)))[0] == 110).all(axis=1).mean(axis=(1, 2))
    assert np.allclose(hidden, 0.1, atol=0.03)


def test_drawn_amounts_lie_between_nothing_and_all() -> None:
    full = [np.abs(seen(text, (3, 4, 6, 7))[0] - seen(None, (3, 4, 6, 7))[0]).mean(axis=(1, 2, 3))
            for text in ("scene:light=0.8,drawn=true", "scene:light=0.8")]  # fmt: skip
    assert full[0].min() < 0.6 * full[1].min() and (full[0] <= full[1].max()).all()


@pytest.mark.parametrize(
    ("wraps", "says"),
    [
        (("scene:camera=5",), "`pixels` must come before"),
        ((PIXELS, "scene:occlusion=2"), "from 0 to 0.9"),
        (("pixels:goal_mode=desired,camera=external_camera_0,size=32", "scene:camera=5"), "cannot be turned"),
        # The inner one would put camera, light and colours back.
        ((PIXELS, "scene:occlusion=0.1", "scene:camera=5"), "one `scene`"),
    ],
)
def test_what_makes_no_sense_is_told(wraps: tuple[str, ...], says: str) -> None:
    with pytest.raises((UserError, ValueError), match=says):
        Task("FetchPush-v4", wraps).make()
