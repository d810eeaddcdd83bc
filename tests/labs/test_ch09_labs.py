"""The labs of chapter 09: their claims hold, and find what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from analysis.reports import DataReport, load
from envs.rendering import choose_backend

pytestmark = pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
Load = Callable[[str], ModuleType]


def wrong(lab: ModuleType) -> set[str]:
    """First words of the claims that do not hold."""
    return {" ".join(text.split()[:3]) for text, value, low, high in lab.check() if not low <= value <= high}


@pytest.mark.parametrize(("name", "claims"), [("pixel_wrapper", 10), ("image_augmentation", 8), ("visual_encoder", 11)])
def test_every_claim_holds(load_lab: Load, name: str, claims: int, tmp_path: Path) -> None:
    assert load_lab(name).main(verify=True, json_out=str(tmp_path / "a.json")) == 0
    assert len(load(tmp_path / "a.json", DataReport).data["claims"]) == claims


def test_a_marker_that_stays_is_found(load_lab: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = load_lab("pixel_wrapper")
    picture = lab.picture
    monkeypatch.setattr(lab, "picture", lambda env, marker: picture(env, True))
    assert wrong(lab) == {"the same, desired", "the same, both"}


def test_the_objects_numbers_among_the_robots_are_found(load_lab: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = load_lab("pixel_wrapper")
    monkeypatch.setattr(lab, "ROBOT", list(range(10)))
    assert wrong(lab) == {"numbers of the"}


def test_points_are_drawn_where_their_maps_look(load_lab: Load) -> None:
    """Of 64 pixels an output sees 23: the first has its middle at pixel 11 and the last, ten steps of 4 on, at 51."""
    lab = load_lab("visual_encoder")
    pixels = lab.pixels_of(torch.tensor([-1.0, 0.0, 1.0]), lab.LAYERS["small kernels"])
    assert pixels.tolist() == [11, 31, 51]


def test_a_crop_that_forgets_to_enlarge_is_found(load_lab: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = load_lab("image_augmentation")
    monkeypatch.setitem(lab.CHANGES, "crop", lambda image, rng: image[:, 3:-3, 3:-3])
    assert "changes that keep" in wrong(lab)


def test_augmentations_agree_with_what_training_uses(load_lab: Load) -> None:
    """Shift by shift: every window that the lab can draw is one that `agents.augmentations.Shift` draws, too."""
    from agents.augmentations import Shift

    lab, rng = load_lab("image_augmentation"), np.random.default_rng(0)
    image = rng.random((3, 12, 12)).astype(np.float32)
    ours = {lab.random_shift(image, 1, rng).tobytes() for _ in range(200)}
    torch.manual_seed(0)
    batch = torch.from_numpy(image).expand(200, -1, -1, -1)
    theirs = {each.numpy().tobytes() for each in Shift(None, pad=1)(batch).contiguous()}
    assert ours == theirs and len(ours) == 9


def test_what_leaks_is_found(load_lab: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only vectors, no picture: the block's numbers among the robot's, then a student that is told too little."""
    lab = load_lab("dagger_from_scratch")
    assert wrong(lab) == set()
    monkeypatch.setattr(lab, "ROBOT", list(range(10)))
    assert "numbers that a" in wrong(lab)


def test_three_students_in_small(load_lab: Load, tmp_path: Path) -> None:
    assert load_lab("dagger_from_scratch").main(demo=True, smoke=True, json_out=str(tmp_path / "a.json")) == 0
    rows = load(tmp_path / "a.json", DataReport).data["rows"]
    assert [(row["leak"], row["dagger"], row["success"]["n"]) for row in rows] == [
        (False, True, 2), (True, True, 2), (True, False, 2)
    ]  # fmt: skip
