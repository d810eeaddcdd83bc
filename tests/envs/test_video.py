"""Grids of frames, their marks, and files that other programs can play."""

from __future__ import annotations

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from agents.controllers import ZeroPolicy
from common.errors import UserError
from envs.rendering import choose_backend
from envs.task import Task
from envs.video import FPS, GREEN, GREY, HOLD, RED, encode, film, grid, in_a_grid, mark, write_video


def moving(n: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    """Frames in which a white square moves over a grey ground."""
    frames = []
    for t in range(n):
        frame = np.full((height, width, 3), 90, np.uint8)
        frame[10:30, 2 + t : 22 + t] = 255
        frames.append(frame)
    return frames


def test_a_mark_is_a_border_of_its_colour() -> None:
    frame = np.full((80, 100, 3), 200, np.uint8)
    for colour in (GREY, GREEN, RED):
        marked = mark(frame, colour, "")
        assert marked.shape == frame.shape
        for row, column in ((0, 0), (79, 99), (2, 50), (40, 1)):
            assert tuple(marked[row, column]) == colour
        assert (marked[10:-10, 10:-10] == 200).all()
    assert (frame == 200).all()
    assert (mark(frame, GREY, "seed 3") != mark(frame, GREY, "")).any()


@pytest.mark.parametrize(("n", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (2, 2)), (4, (2, 2)), (5, (2, 3)), (9, (3, 3))])
def test_a_grid_is_about_square(n: int, shape: tuple[int, int]) -> None:
    cells = [np.full((10, 20, 3), i, np.uint8) for i in range(n)]
    picture = grid(cells)
    assert picture.shape == (10 * shape[0], 20 * shape[1], 3)
    for i in range(shape[0] * shape[1]):
        row, column = divmod(i, shape[1])
        cell = picture[10 * row : 10 * row + 10, 20 * column : 20 * column + 20]
        assert (cell == (i if i < n else 255)).all()


def test_mp4(tmp_path: Path) -> None:
    write_video(tmp_path / "new" / "v.mp4", moving(30))
    found = imageio.imread(tmp_path / "new" / "v.mp4", plugin="pyav")
    assert found.shape == (30, 48, 64, 3)
    assert imageio.immeta(tmp_path / "new" / "v.mp4", plugin="pyav")["fps"] == FPS
    assert np.abs(found.astype(int) - np.stack(moving(30)).astype(int)).mean() < 8


def test_odd_sizes_lose_a_line() -> None:
    found = imageio.imread(encode(moving(5, 49, 65), ".mp4"), plugin="pyav", extension=".mp4")
    assert found.shape == (5, 48, 64, 3)


def test_gif(tmp_path: Path) -> None:
    write_video(tmp_path / "v.GIF", moving(30))
    with Image.open(tmp_path / "v.GIF") as picture:
        assert (picture.n_frames, picture.size, picture.info["loop"]) == (30, (64, 48), 0)
        assert picture.info["duration"] == 1000 // FPS
    found = imageio.imread(tmp_path / "v.GIF", plugin="pillow")
    np.testing.assert_array_equal(found, np.stack(moving(30)))


@pytest.mark.parametrize("suffix", ["", ".avi", ".webm"])
def test_another_format(tmp_path: Path, suffix: str) -> None:
    with pytest.raises(UserError, match="use .mp4 or .gif"):
        write_video(tmp_path / f"v{suffix}", moving(2))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
def test_an_episode_from_reset_to_the_mark_at_its_end() -> None:
    task = Task("FetchPush-v4")
    still = ZeroPolicy(task.make())
    # Seed 10 begins solved on Push, and a policy that does nothing keeps it so; seed 0 does not.
    frames = in_a_grid(film(lambda: still, task, [0, 10], size=48))
    assert len(frames) == 1 + 50 + HOLD
    assert all(frame.shape == (48, 96, 3) for frame in frames)
    left, right = ([tuple(int(v) for v in frame[0, x]) for frame in frames] for x in (20, 70))
    assert left[0] == GREY and left[-1] == RED
    assert set(left[:50]) == {GREY}
    assert left[-HOLD:] == [RED] * HOLD
    # The picture itself is lit, and no two cells are alike.
    assert frames[0][10:-10].std() > 5
    assert (frames[0][:, :48] != frames[0][:, 48:]).any()
    assert set(right) == {GREEN}
