"""Controllers by name: what each scores, what it sees, and that an episode follows from its seed."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest

from agents.controllers import CONTROLLERS, ZeroPolicy
from agents.scripted import PickAndPlace, Push, Reach, scripted
from common.errors import UserError
from envs.make import make_env, register
from eval import EvalConfig, evaluate
from tests.contract import tiny


@pytest.fixture(autouse=True)
def registered() -> None:
    register()
    tiny.register()


# Seeds of no other test: 500 held-out episodes are in results/controllers/.
@pytest.mark.parametrize(
    ("env_id", "least", "idle"), [("FetchReach-v4", 20, 3), ("FetchPush-v4", 19, 3), ("FetchPickAndPlace-v4", 19, 3)]
)
def test_a_written_controller_solves_its_task(env_id: str, least: int, idle: int) -> None:
    found = evaluate(EvalConfig(agent="scripted", env=env_id, seeds="1000-1019"))
    assert found.aggregate.success.successes >= least
    still = evaluate(EvalConfig(agent="zero", env=env_id, seeds="1000-1019"))
    assert still.aggregate.success.successes <= idle


def test_an_episode_depends_on_its_seed_alone() -> None:
    """Push remembers a phase, which must not survive an episode."""
    one = evaluate(EvalConfig(agent="scripted", env="FetchPush-v4", seeds="3,1,2", n_envs=1))
    other = evaluate(EvalConfig(agent="scripted", env="FetchPush-v4", seeds="1-3", n_envs=3))
    assert sorted(one.episodes, key=lambda e: e.seed) == other.episodes


@pytest.mark.parametrize("env_id", ["FetchReach-v4", "FetchPush-v4", "FetchPickAndPlace-v4"])
def test_it_sees_the_observation_and_nothing_else(env_id: str) -> None:
    with contextlib.closing(make_env(env_id)) as env:
        controllers = [scripted(env) for _ in range(2)]
        observation, _ = env.reset(seed=5)
        for _ in range(30):
            # The same numbers, and goals that lie elsewhere in memory: nothing is kept of the arrays, nothing changed.
            copies = {key: value.copy() for key, value in observation.items()}
            actions = [c.predict(o)[0] for c, o in zip(controllers, (observation, copies), strict=True)]
            assert np.array_equal(*actions) and all(np.array_equal(observation[k], copies[k]) for k in copies)
            assert actions[0].dtype == np.float32 and env.action_space.contains(actions[0])
            observation, *_ = env.step(actions[0])


def test_reach_is_proportional() -> None:
    seen = {"observation": np.zeros(10), "desired_goal": np.array([0.01, -0.02, 0.2])}
    np.testing.assert_allclose(Reach(None).predict(seen)[0], [0.2, -0.4, 1.0, 0.0], rtol=1e-6)
    np.testing.assert_allclose(Reach(None, gain=0.5).predict(seen)[0], [0.1, -0.2, 1.0, 0.0], rtol=1e-6)


def push_sees(grip: Any, block: Any, goal: Any) -> dict[str, np.ndarray]:
    body = np.zeros(25)
    body[:3], body[3:6] = grip, block
    return {"observation": body, "desired_goal": np.array(goal)}


def test_push_goes_around_the_block_and_never_through_it() -> None:
    block, goal = [1.3, 0.75, 0.425], [1.4, 0.75, 0.425]
    # In front of the block, which is in the way of the point behind it: up.
    action, _ = Push(None).predict(push_sees([1.37, 0.75, 0.425], block, goal))
    assert action[2] == 1 and abs(action[0]) < 0.01
    # To its side, the straight way being free: along the table.
    action, _ = Push(None).predict(push_sees([1.2, 0.85, 0.425], block, goal))
    assert abs(action[2]) < 0.01 and action[1] < -0.5
    # Behind it: along the line to the goal.
    action, _ = Push(None).predict(push_sees([1.225, 0.75, 0.425], block, goal))
    assert action[0] == pytest.approx(0.7) and abs(action[1]) < 1e-6
    # At the goal: nothing.
    assert not Push(None).predict(push_sees([1.2, 0.75, 0.425], block, block))[0].any()


def test_pick_and_place_opens_closes_and_carries() -> None:
    block, goal = [1.3, 0.75, 0.425], [1.4, 0.75, 0.6]
    seen = push_sees([1.2, 0.75, 0.53], block, goal)
    assert PickAndPlace(None).predict(seen)[0][3] == 1
    seen = push_sees(block, block, goal)
    seen["observation"][9:11] = 0.05
    action, _ = PickAndPlace(None).predict(seen)
    assert action[3] == -1 and abs(action[:3]).max() < 1e-6
    seen["observation"][9:11] = 0.024
    action, _ = PickAndPlace(None).predict(seen)
    assert list(action) == [1, 0, 1, -1]


def test_where_there_is_none() -> None:
    with contextlib.closing(make_env("TinyReach-v0")) as env:
        with pytest.raises(UserError, match="no controller was written for TinyReach-v0; there are some for Fet"):
            CONTROLLERS.build("scripted", env)
        assert isinstance(CONTROLLERS.build("zero", env), ZeroPolicy)
    with contextlib.closing(make_env("CartPole-v1")) as env, pytest.raises(UserError, match="continuous actions"):
        CONTROLLERS.build("random", env)
