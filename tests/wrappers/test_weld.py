"""Today's MuJoCo without one term of the weld is MuJoCo 3.6: its own logs say so."""

from __future__ import annotations

import contextlib

import gymnasium as gym
import numpy as np
import pytest

from analysis.reports import DataReport, load
from envs.make import make_env
from envs.task import Task
from tests.contract.test_house import ROOT
from wrappers.weld import Weld

LOGS = load(ROOT / "results/ch10_arm_logs_mujoco_3.6.0.json", DataReport).data


def way(env: gym.Env, log: dict) -> np.ndarray:
    """(T, 3): where the gripper is after each of the actions of `log`."""
    env.reset(seed=log["seed"])
    return np.array([env.step(np.array(a, np.float32))[0]["observation"][:3] for a in log["actions"]])


def test_without_the_term_it_is_mujoco_3_6() -> None:
    assert LOGS["mujoco"] == "3.6.0"
    log = LOGS["training"][0]
    with contextlib.closing(Task(LOGS["env_id"], ("weld:share=0",)).make()) as env:
        assert env.reset(seed=0)[0]["observation"][0] == pytest.approx(1.34548228, abs=1e-8)
        np.testing.assert_allclose(way(env, log), log["positions"], atol=1e-8)
    with contextlib.closing(make_env(LOGS["env_id"])) as plain:
        assert np.abs(way(plain, log) - log["positions"]).max() > 0.01


@pytest.mark.parametrize("env_id", ["FetchReach-v4", "FetchPush-v4", "FetchSlide-v4", "FetchPickAndPlace-v4"])
def test_with_all_of_the_term_nothing_changes(env_id: str) -> None:
    log = {"seed": 3, "actions": LOGS["training"][1]["actions"]}
    with (
        contextlib.closing(Task(env_id, ("weld:share=1",)).make()) as env,
        contextlib.closing(make_env(env_id)) as plain,
    ):
        np.testing.assert_array_equal(way(env, log), way(plain, log))


def test_only_where_there_is_a_weld() -> None:
    with pytest.raises(ValueError, match="Fetch task"):
        Weld(gym.make("CartPole-v1"))
