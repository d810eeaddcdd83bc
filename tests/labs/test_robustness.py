"""The lab of chapter 07: its claims hold, find what is wrong, and agree with the product."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from analysis import robustness as product
from analysis.reports import DataReport, load
from common.errors import UserError


@pytest.fixture
def lab(load_lab: Callable[[str], ModuleType]) -> ModuleType:
    return load_lab("robustness")


def wrong(lab: ModuleType) -> set[str]:
    """First words of the claims that do not hold."""
    claims = lab.check(6)
    assert len(claims) == 16
    return {" ".join(text.split()[:3]) for text, value, low, high in claims if not low <= value <= high}


def test_claims_hold_and_are_reported(lab: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check = lab.check
    monkeypatch.setattr(lab, "check", lambda: check(10))
    assert lab.main(verify=True, json_out=str(tmp_path / "a.json"), figure=str(tmp_path / "a.png")) == 0
    assert len(load(tmp_path / "a.json", DataReport).data["claims"]) == 16
    assert (tmp_path / "a.png").stat().st_size > 20_000


def test_noise_that_begins_at_nothing_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    class Growing(lab.Noise):
        def __init__(self, rho: float, size: int, rng: np.random.Generator):
            super().__init__(rho, size, rng)
            self.now = np.zeros(size)

    monkeypatch.setattr(lab, "Noise", Growing)
    assert "standard deviation of" in wrong(lab)


def test_a_clean_copy_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = lab.measured
    monkeypatch.setattr(
        lab, "measured", lambda true, error: measured(true, error) | {"achieved_goal": true["achieved_goal"]}
    )
    assert "achieved goal less" in wrong(lab)


def test_figures_of_merit_are_the_products(lab: ModuleType) -> None:
    sigmas, generator = [0.0, 0.01, 0.03, 0.1], np.random.default_rng(0)
    for rates in ([1, 0.9, 0.4, 0.1], [0.4, 0.3, 0.2, 0.1], [1, 1, 0.9, 0.8], [1, 0.4, 0.9, 0.1]):
        curve = np.array(rates, float)
        assert lab.area(sigmas, curve) == pytest.approx(product.normalised_area(sigmas, curve))
        ours, theirs = lab.critical(sigmas, curve), product.critical_sigma(sigmas, curve)
        assert ours == (math.inf if theirs is None else pytest.approx(theirs))
    ours, theirs = generator.random((3, 1)), generator.random((4, 1))
    assert lab.improvement(ours[:, 0], theirs[:, 0]) == product.probability_of_improvement(ours, theirs)


@pytest.mark.parametrize(("gain", "rho", "alpha"), [(0.6, 0.0, 1.0), (0.6, 0.0, 0.5), (0.4, 0.95, 1.0)])
def test_theory_is_the_loop_when_nothing_saturates(lab: ModuleType, gain: float, rho: float, alpha: float) -> None:
    """The median error of a long simulated loop, against the solution of P = A P Aᵀ + Q."""
    noise, error, filtered = lab.Noise(rho, 30_000, np.random.default_rng(0)), np.zeros(30_000), np.zeros(30_000)
    for _ in range(150):
        filtered = alpha * (error + noise.draw()) + (1 - alpha) * filtered
        error = error - gain * filtered
    assert error.std() == pytest.approx(lab.loop_spread(gain, rho, alpha), rel=0.03)
    lengths = np.linalg.norm(error.reshape(-1, 3), axis=1)
    assert np.median(lengths) == pytest.approx(lab.MEDIAN_LENGTH * lab.loop_spread(gain, rho, alpha), rel=0.03)


def test_noise_makes_everything_seem_to_move(lab: ModuleType) -> None:
    found = lab.what_hindsight_sees(8)
    assert found["moved_true"] < 0.8 and found["moved_seen"] == 1.0
    # Two measurements differ by N(0, 2 σ²) on each axis: P(χ > 50 / 28.3) is 37%.
    assert found["apart"] == pytest.approx(0.372, abs=0.06)


def test_bad_input(lab: ModuleType) -> None:
    with pytest.raises(UserError, match="at least 2"):
        lab.main(episodes=1)


def test_the_lab_is_from_scratch(lab: ModuleType) -> None:
    text = Path(lab.__file__).read_text(encoding="utf-8")
    assert "from wrappers" not in text and "analysis.robustness" not in text
