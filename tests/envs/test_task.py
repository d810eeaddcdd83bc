"""A task is one plain value: equal where it means the same, and the same environment wherever it is made."""

from __future__ import annotations

import contextlib
import json
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from common.errors import UserError
from envs.make import register
from envs.task import Task, bare_id, refuse_strange_modules
from tests.contract import tiny
from wrappers import registry

# As it is written down: with every argument, whether it was given or not.
NOISE = "obs_noise:std=0.01,rho=0.0,scale=unit,mixed=false,true_goals=false"
PUSH = Task("FetchPush-v4", ("lowpass:alpha=0.3", "obs_noise"), {"goal_range": 0.1, "reward_type": "dense"})


@pytest.fixture(autouse=True)
def registered() -> None:
    register()
    tiny.register()


def test_it_is_plain_data() -> None:
    assert pickle.loads(pickle.dumps(PUSH)) == PUSH and hash(PUSH) == hash(pickle.loads(pickle.dumps(PUSH)))  # noqa: S301
    assert Task.of_settings(json.loads(json.dumps(PUSH.settings()))) == PUSH
    assert PUSH.settings() == {
        "env": "FetchPush-v4", "wrap": ["lowpass:alpha=0.3", NOISE],
        "env_option": ["goal_range=0.1", "reward_type=dense"],
    }  # fmt: skip
    assert Task("FetchPush-v4").settings() == {"env": "FetchPush-v4"}
    assert PUSH.keywords == {"goal_range": 0.1, "reward_type": "dense"}
    assert PUSH.describe() == (f"FetchPush-v4 with goal_range=0.1, reward_type=dense in lowpass:alpha=0.3 in {NOISE}")


def test_equal_where_it_means_the_same() -> None:
    same = Task("FetchPush-v4", ("lowpass:alpha=0.30", "obs_noise:std=1e-2"), ("reward_type=dense", "goal_range=1e-1"))
    assert same == PUSH and len({same, PUSH}) == 1
    assert Task("FetchPush-v4", ("obs_noise", "lowpass:alpha=0.3"), PUSH.options) != PUSH


def test_one_environment_and_many_are_the_same() -> None:
    with contextlib.closing(PUSH.make()) as env, contextlib.closing(PUSH.make_vec(2)) as many:
        one, _ = env.reset(seed=4)
        many.seed(4)
        np.testing.assert_array_equal(many.reset()["observation"][0], one["observation"])
        action = np.full((2, 4), 0.5, np.float32)
        one, reward, *_ = env.step(action[0])
        all_, rewards, *_ = many.step(action)
        np.testing.assert_array_equal(all_["observation"][0], one["observation"])
        assert rewards[0] == np.float32(reward) and -0.5 < reward < 0 and reward not in (-1.0, 0.0)
        np.testing.assert_allclose(env.get_wrapper_attr("applied_action"), 0.3 * 0.5, rtol=1e-6)


def test_its_length_and_its_goals() -> None:
    assert PUSH.episode_length == 50 and PUSH.is_goal_conditioned()
    longer = Task("FetchReach-v4", options={"max_episode_steps": 70})
    assert longer.episode_length == 70
    with contextlib.closing(longer.make()) as env:
        env.reset(seed=0)
        assert [env.step(env.action_space.sample())[3] for _ in range(70)] == [False] * 69 + [True]
    assert not Task("TinyFlat-v0").is_goal_conditioned() and Task("Pendulum-v1").episode_length == 200


def test_evaluations_leave_out_what_only_training_sees() -> None:
    @registry.register("shuffle", training_only=True)
    class Shuffle(gym.Wrapper):
        """Decides where training begins."""

    task = Task("TinyReach-v0", ("shuffle", "lowpass"))
    assert task.for_evaluation() == Task("TinyReach-v0", ("lowpass",))
    assert PUSH.for_evaluation() == PUSH


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("FetchPuhs-v4",), "Did you mean FetchPush-v4"), (("FetchPush-v4", ("lopass",)), "Did you mean lowpass"),
        (("FetchPush-v4", (), ("goal_range",)), "--env-option 'goal_range': expected key=value"),
        (("FetchPush-v4", (), ("a=1", "a=2")), "a is given twice"),
        (("no_such_module_x:A-v0",), "module no_such_module_x cannot be imported"),
    ],
)  # fmt: skip
def test_a_mistake_shows_at_once(arguments: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        Task(*arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"goal_rangee": 1}, "FetchPush-v4 has no option goal_rangee. Did you mean goal_range"),
        ({"goal_range": -1}, "goal_range=-1"), ({"goal_range": "wide"}, "goal_range=wide"),
        ({"n_substeps": 3}, "FetchPush-v4 cannot be made here: .*n_substeps"),
    ],
)  # fmt: skip
def test_options_that_cannot_be(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        Task("FetchPush-v4", options=options).make()


def test_options_of_another_environment() -> None:
    with pytest.raises(UserError, match="TinyReach-v0 has no option nan_aftr. Did you mean nan_after"):
        Task("TinyReach-v0", options={"nan_aftr": 3}).make()


def test_modules() -> None:
    assert bare_id("my.module:A-v0") == "A-v0" and bare_id("A-v0") == "A-v0"
    refuse_strange_modules({"env": "json:A-v0", "wrap": ["json:x", "lowpass"]})
    for strange in ({"env": "antigravity:A-v0"}, {"env": "A-v0", "wrap": ["antigravity:fly:speed=1"]}):
        with pytest.raises(UserError, match="add --modules antigravity if you trust it"):
            refuse_strange_modules(strange)
    for broken in ({"wrap": "lowpass"}, {"wrap": [3]}, {"env_option": {"a": 1}}):
        with pytest.raises(UserError, match="does not say what its task is"):
            refuse_strange_modules({"env": "A-v0"} | broken)
