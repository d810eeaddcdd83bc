"""The lab of chapter 06: its claims hold, find what is wrong, and its filter is the product's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import gymnasium as gym
import numpy as np
import pytest

from analysis.reports import DataReport, load
from common.errors import UserError
from envs.make import make_env
from wrappers.actions import DelayAction, LowPassAction


@pytest.fixture
def lab(load_lab: Callable[[str], ModuleType]) -> ModuleType:
    return load_lab("action_interface")


def wrong(lab: ModuleType) -> set[str]:
    """First words of the claims that do not hold."""
    claims = lab.check(make_env("FetchReach-v4"))
    assert len(claims) == 13
    return {" ".join(text.split()[:3]) for text, value, low, high in claims if not low <= value <= high}


def test_every_claim_holds(lab: ModuleType, tmp_path: Path) -> None:
    assert lab.main(verify=True, json_out=str(tmp_path / "a.json")) == 0
    assert len(load(tmp_path / "a.json", DataReport).data["claims"]) == 13


def test_a_filter_with_its_weights_exchanged_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    call = lab.LowPass.__call__
    monkeypatch.setattr(lab.LowPass, "__init__", lambda s, alpha, n: s.__dict__.update(alpha=1 - alpha, u=np.zeros(n)))
    assert {"error of the", "factor on a"} <= wrong(lab) and call is lab.LowPass.__call__


def test_a_limit_that_forgets_the_delay_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab, "critical", lambda delay: 2.0)
    assert wrong(lab) == {"loop: largest root", "loops on Fetch,"}


class Echo(gym.Env):
    """Keeps the actions that arrive."""

    action_space = gym.spaces.Box(-1, 1, (3,), np.float32)
    observation_space = gym.spaces.Box(-1, 1, (1,))

    def reset(self, **options: object) -> tuple[np.ndarray, dict]:
        self.arrived = []
        return np.zeros(1), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.arrived.append(action)
        return np.zeros(1), 0.0, False, False, {}


def test_filter_and_delay_are_those_of_the_wrappers(lab: ModuleType) -> None:
    actions = np.random.default_rng(0).uniform(-2, 2, (20, 3)).astype(np.float32)
    for wrapper, own in ((LowPassAction(Echo(), 0.3), lab.LowPass(0.3, 3)), (DelayAction(Echo(), 2), lab.Delay(2, 3))):
        wrapper.reset(seed=0)
        for action in actions:
            wrapper.step(action)
        np.testing.assert_allclose(wrapper.env.arrived, [own(action) for action in actions], atol=1e-6)


def test_local_gain_of_a_controller_that_is_known(lab: ModuleType) -> None:
    seen, _ = make_env("FetchReach-v4").reset(seed=0)
    np.testing.assert_allclose(lab.local_gain(lab.proportional(1.7), seen), 1.7, rtol=1e-6)


def test_a_figure_needs_something_to_draw(lab: ModuleType) -> None:
    with pytest.raises(UserError, match="--demo"):
        lab.main(figure="a.png")


def test_the_lab_is_from_scratch(lab: ModuleType) -> None:
    assert "from wrappers" not in Path(lab.__file__).read_text(encoding="utf-8")
