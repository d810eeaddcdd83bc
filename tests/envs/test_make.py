"""Environments by id, and one clear line where that cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from common.errors import UserError
from envs.make import FETCH_IDS, check_env_id, episode_length, is_goal_conditioned, make_env, register
from tests.contract import tiny
from wrappers.hindsight import AskThroughWrappers
from wrappers.recording import RecordTruth


@pytest.fixture(autouse=True)
def registered() -> None:
    register()
    tiny.register()


def test_all_eight_tasks() -> None:
    assert len(set(FETCH_IDS)) == 8
    for env_id in FETCH_IDS:
        check_env_id(env_id)
        assert episode_length(env_id) == 50


def test_the_time_limit_truncates() -> None:
    env = make_env("FetchReachDense-v4")
    env.reset(seed=0)
    flags = [env.step(env.action_space.sample())[2:4] for _ in range(50)]
    env.close()
    assert flags == [(False, False)] * 49 + [(False, True)]


@pytest.mark.parametrize(
    ("env_id", "words"),
    [
        ("FetchPush-v3", "only v4 .* use FetchPush-v4"), ("FetchPush-v99", "use FetchPush-v4"),
        ("FetchPuhs-v4", "Did you mean FetchPush-v4"), ("fetchreach-v4", "Did you mean FetchReach-v4"),
        ("TinyReech-v0", "Did you mean TinyReach-v0"), ("", "unknown environment"), ("-v4", "unknown environment"),
        ("os:FetchReech-v4", "Did you mean FetchReach-v4"),
    ],
)  # fmt: skip
def test_an_unknown_id(env_id: str, words: str) -> None:
    for function in (check_env_id, make_env, episode_length):
        with pytest.raises(UserError, match=words):
            function(env_id)


def test_a_missing_package_is_one_line() -> None:
    gym.register("NeedsMore-v0", "no_such_package.module:Env")
    try:
        with pytest.raises(UserError, match="NeedsMore-v0 cannot be made here: .*no_such_package"):
            make_env("NeedsMore-v0")
    finally:
        del gym.registry["NeedsMore-v0"]


def test_goals() -> None:
    for env_id, expected in (("TinyReach-v0", True), ("TinyFlat-v0", False), ("CartPole-v1", False)):
        env = make_env(env_id)
        assert is_goal_conditioned(env) is expected
        env.close()


def test_wrappers_go_around_in_order_and_the_record_stands_innermost() -> None:
    class Outer(gym.Wrapper):
        """Around all."""

    env = make_env("TinyReach-v0", wrappers=[lambda e: gym.wrappers.TransformAction(e, lambda a: 0.5 * a, None), Outer])
    assert isinstance(env, AskThroughWrappers) and isinstance(env.env, Outer)
    env.reset(seed=0)
    env.step(np.ones(2, np.float32))
    np.testing.assert_array_equal(env.get_wrapper_attr("applied_action"), [0.5, 0.5])
    env.close()


def test_options_reach_the_environment() -> None:
    env = make_env("TinyReach-v0", where="reward", nan_after=1)
    env.reset(seed=0)
    assert np.isnan(env.step(np.zeros(2, np.float32))[1])
    assert isinstance(env, RecordTruth)
    env.close()


def test_nothing_is_printed(root: Path) -> None:
    code = "from envs.make import make_env; make_env('FetchReach-v4').close()"
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=root, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == done.stderr == ""
