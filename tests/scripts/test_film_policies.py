"""The films of README.md: a small run writes all of them, in a temporary folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from envs.rendering import choose_backend

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
def test_untrained_above_trained_for_every_task(tmp_path: Path) -> None:
    words = [sys.executable, "scripts/film_policies.py", "--smoke"]
    done = subprocess.run(
        words, cwd=ROOT, env=os.environ | {"TMPDIR": str(tmp_path)}, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    films = {path.name: path for path in map(Path, done.stdout.split())}
    assert set(films) == {f"fetch_{name}.gif" for name in ("reach", "push", "pickandplace", "slide", "tasks")}
    assert {path.parent.parent for path in films.values()} == {tmp_path}
    with Image.open(films["fetch_tasks.gif"]) as film:
        assert film.size == (4 * 48, 2 * 48) and film.n_frames > 20
        film.seek(film.n_frames - 1)
        last = film.convert("RGB")
    for column in range(4):
        above, below = (last.getpixel((48 * column + 20, row)) for row in (0, 48))
        assert above[0] > 150 and above[1] < 100, "untrained ends unsolved, red"
        if column < 3:
            assert below[1] > 120 and below[0] < 100, "trained ends solved, green"
