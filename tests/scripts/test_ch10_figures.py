"""The film of chapter 10: one small episode, above on the robot of training, below on the other one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from common.errors import UserError
from envs.rendering import choose_backend

SCRIPT = "ch10_figures"

PUSH = str(Path(__file__).resolve().parents[2] / "checkpoints/reference/FetchPush-v4.zip")


@pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
def test_the_same_episode_on_two_robots(script: ModuleType) -> None:
    mode = script.Mode.__origin__(smoke=True)
    assert script.film(PUSH, mode=mode) == 0
    with Image.open(script.chapter.file("robots.gif", mode)) as film:
        assert film.size == (64, 128) and film.n_frames > 20


def test_a_machine_that_cannot_render_is_told(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("envs.rendering.choose_backend", lambda: (None, "nothing here"))
    with pytest.raises(UserError, match="doctor.py"):
        script.film(PUSH)
