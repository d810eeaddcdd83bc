"""The lab of chapter 10: its claims hold, and find what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import mujoco
import numpy as np
import pytest

from analysis.reports import DataReport, load
from common.errors import UserError


@pytest.fixture
def lab(load_lab: Callable[[str], ModuleType]) -> ModuleType:
    return load_lab("domain_randomization")


def wrong(lab: ModuleType) -> set[str]:
    """First words of the claims that do not hold."""
    return {" ".join(text.split()[:4]) for text, value, low, high in lab.check() if not low <= value <= high}


def test_every_claim_holds(lab: ModuleType, tmp_path: Path) -> None:
    assert lab.main(verify=True, json_out=str(tmp_path / "a.json")) == 0
    assert len(load(tmp_path / "a.json", DataReport).data["claims"]) == 17


def test_a_mass_without_its_inertia_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The classic: the body gets heavier and turns as easily as before."""

    def mass_alone(model, nominal, ratio):
        body = model.body("object0").id
        model.body_mass[body] = ratio * nominal["body_mass"][body]
        mujoco.mj_setConst(model, mujoco.MjData(model))

    monkeypatch.setattr(lab, "set_mass", mass_alone)
    assert "angular acceleration with twice" in wrong(lab)


def test_constants_that_are_not_computed_again_are_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.mujoco, "mj_setConst", lambda model, data: None)
    assert "the same with twice" in wrong(lab)


def test_factors_that_multiply_up_are_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    set_mass = lab.set_mass
    monkeypatch.setattr(
        lab, "set_mass",
        lambda model, nominal, ratio: set_mass(model, nominal if ratio == 1 else vars_of(model), ratio),
    )  # fmt: skip
    assert "mass after setting twice" in wrong(lab)


def vars_of(model) -> dict[str, np.ndarray]:
    """The model's present values in the place of the nominal ones."""
    return {name: getattr(model, name).copy() for name in ("body_mass", "body_inertia")}


def test_a_uniform_draw_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = lab.draw_robot
    monkeypatch.setattr(lab, "draw_robot", lambda rng: draw(rng) | {"mass": rng.uniform(0.5, 2.0)})
    assert wrong(lab) == {"share of masses below"}


def test_the_demo_shows_robots(lab: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab.main(demo=True, robots=2) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    with pytest.raises(UserError, match="--robots 0"):
        lab.main(robots=0)


def test_the_lab_is_from_scratch(lab: ModuleType) -> None:
    assert "import wrappers" not in (source := Path(lab.__file__).read_text(encoding="utf-8"))
    assert "from wrappers" not in source and len(source.splitlines()) <= 330
