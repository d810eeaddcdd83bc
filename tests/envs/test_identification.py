"""Identification: a simulator with the robot's own parameters repeats its logs, and the fit finds them."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from common.errors import UserError
from envs import identification
from envs.identification import ARM, OBJECT, SIGMA, Log, Simulator, Waving, identify, plant_text, record
from envs.task import Task

PUSH = "FetchPush-v4"
ROBOT = {"gain": 1.1, "lag": 0.8, "delay": 1.0}


@pytest.fixture(scope="module")
def logs() -> list[Log]:
    return record(Waving(), Task(PUSH, (plant_text(ROBOT | {"noise": SIGMA}),)), [3, 4], steps=10)


def test_the_true_robot_leaves_the_noise_of_the_sensors(logs: list[Log]) -> None:
    simulator = Simulator(PUSH)
    residual = simulator.residual(ROBOT, logs, ARM)
    assert residual.shape == (2 * 10 * 3,) and 0.7 < np.sqrt(np.mean(residual**2)) < 1.3
    assert simulator.error({}, logs, ARM) > 100 * simulator.error(ROBOT, logs, ARM)
    # The arm waves in the air: the object's mass cannot show, and friction only while the fingers leave the table.
    mass, friction = np.abs(simulator.jacobian(ROBOT, logs, ARM, ("mass", "friction"))).max(axis=0)
    assert mass == 0 and 0 < friction < 20
    assert np.abs(simulator.jacobian(ROBOT, logs, ARM)).max() > 1000
    assert simulator.runs == 2 * (1 + 2 + 4 + 6)


def test_a_log_ends_where_the_object_has_moved() -> None:
    positions = np.zeros((10, 6))
    positions[:, 3] = np.linspace(0, 0.09, 10)
    log = Log(0, np.zeros((10, 4)), positions).until_pushed()
    assert len(log.actions) == len(log.positions) == 7
    assert len(Log(0, np.zeros((10, 4)), np.zeros((10, 6))).until_pushed().actions) == 10


def test_values_become_a_wrapper() -> None:
    assert plant_text({"mass": 1.0, "delay": 0.0}) == "plant"
    assert plant_text({"mass": 1.23456, "delay": 2.0}) == "plant:mass=1.235,delay=2"


def test_waving_depends_on_the_seed_alone() -> None:
    wave = Waving(hold=2)
    runs = []
    for seed in (5, 6, 5):
        wave.seed(seed)
        runs.append(np.array([wave.predict(None)[0] for _ in range(6)]))
    assert np.array_equal(runs[0], runs[2]) and not np.array_equal(runs[0], runs[1])
    assert (runs[0][:2, 2] == 1).all() and np.abs(runs[0][2:, 2]).max() <= 0.2


def test_the_arm_is_found(logs: list[Log], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mujoco.sysid", reason="needs the extra `sysid`", exc_type=ImportError)
    monkeypatch.setattr(identification, "DELAYS", (1,))
    found = identify(Simulator(PUSH), logs, ARM, {}, iterations=4)
    assert found["values"]["gain"] == pytest.approx(1.1, rel=0.01)
    assert found["values"]["lag"] == pytest.approx(0.8, rel=0.01)
    assert found["low"]["gain"] < found["values"]["gain"] < found["high"]["gain"]
    assert 0.7 < found["remaining"]["1"] < 1.4


def test_of_two_valleys_the_deeper_one_is_chosen() -> None:
    pytest.importorskip("cmaes", reason="needs the extra `sysid`")

    def residual(x: np.ndarray) -> np.ndarray:
        """Minima at −0.1, of 1, and at 0.9, of 0."""
        return np.array([min(abs(x[0] + 0.1) + 1, 3 * abs(x[0] - 0.9)), 0.1 * x[1]])

    assert identification._valley(residual, 2)[0] == pytest.approx(0.9, abs=0.3)


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="has no object"):
        Simulator("FetchReach-v4")
    monkeypatch.setitem(sys.modules, "mujoco.sysid", None)
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(UserError, match=r"\.\[sysid\]"):
        identify(None, [], OBJECT, {"delay": 0.0})
    with pytest.raises(UserError, match=r"package cmaes.*\.\[sysid\]"):
        identification._valley(lambda x: x, 2)
