"""Two films side by side."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("before_after")


def test_the_shorter_film_waits_at_its_end(script: ModuleType) -> None:
    film = [np.full((4, 6, 3), value, np.uint8) for value in (1, 2, 3)]
    frames = script.beside(film, film[:2], gap=2)
    assert len(frames) == 3 and frames[0].shape == (4, 14, 3)
    assert (frames[2][:, :6] == 3).all() and (frames[2][:, 6:8] == 255).all() and (frames[2][:, 8:] == 2).all()


def test_a_checkpoint_that_is_not_there_is_refused(script: ModuleType, tmp_path: Path) -> None:
    from common.errors import UserError

    with pytest.raises(UserError, match="does not exist"):
        script.film_both(script.BeforeAfter(str(tmp_path / "x.zip"), "FetchReach-v4", str(tmp_path / "x.gif")))
