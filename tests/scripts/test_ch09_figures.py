"""The pictures of chapter 09: an untrained policy is filmed, and curves are drawn from a report."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image

from analysis.reports import DataReport, save
from common.provenance import metadata
from envs.rendering import choose_backend

SCRIPT = "ch09_figures"


@pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
def test_a_film_shows_what_a_person_sees_above_what_the_policy_sees(script: ModuleType) -> None:
    mode = script.Mode.__origin__(smoke=True)
    assert script.film(size=64, mode=mode) == 0
    with Image.open(script.chapter.file("student.gif", mode)) as film:
        assert film.size == (64, 128) and film.n_frames > 20


def test_curves_of_a_report(script: ModuleType, tmp_path: Path) -> None:
    rate = {"n": 20, "successes": 10, "rate": 0.5, "low": 0.3, "high": 0.7}
    curve = [{"steps": 1000 * i, "updates": i, "minutes": float(i), "success": rate} for i in (1, 2)]
    data = {"arms": {"distil": {"runs": [{"curve": curve}]}}}
    save(tmp_path / "a.json", DataReport(**metadata({}, env_id="FetchPush-v4"), name="push_comparison", data=data))
    assert script.curves(str(tmp_path / "a.json")) == 0
    with Image.open(tmp_path / "runs/ch09/push_comparison.png") as picture:
        assert picture.width > 500
