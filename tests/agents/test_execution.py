"""Plans and their execution exchanged: the copy plans what the real one would do, and nothing of it shows."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from agents.controllers import CONTROLLERS
from agents.execution import ByReachPolicy, Foresight
from agents.scripted import Push, Reach, towards
from envs.make import make_env


@pytest.mark.parametrize("env_id", ["FetchReach-v4", "FetchPush-v4", "FetchPickAndPlace-v4"])
def test_foresight_is_where_the_policy_goes(env_id: str) -> None:
    """The target is the gripper's place after as many steps of the policy, and looking ahead moves nothing."""
    with contextlib.closing(make_env(env_id)) as real, contextlib.closing(make_env(env_id)) as copy:
        copy.reset(seed=99)
        policy, planner = CONTROLLERS.build("scripted", real), CONTROLLERS.build("scripted", real)
        seen, _ = real.reset(seed=4)
        for _ in range(12):
            seen, *_ = real.step(policy.predict(seen)[0])
        before = real.unwrapped.data.qpos.copy()
        # The scripted controller of Push remembers a phase, so the planner's own has to have seen what this one has.
        planner.__dict__.update(policy.__dict__)
        target, fingers = Foresight(planner, real, copy, horizon=3).plan(seen)
        np.testing.assert_array_equal(before, real.unwrapped.data.qpos)
        first = policy.predict(seen)[0]
        assert fingers == first[3]
        for action in (first, None, None):
            seen, *_ = real.step(policy.predict(seen)[0] if action is None else action)
        np.testing.assert_array_equal(target, seen["observation"][:3])


def test_a_horizon_of_nothing_is_refused() -> None:
    with contextlib.closing(make_env("FetchReach-v4")) as env, pytest.raises(ValueError, match="horizon"):
        Foresight(Reach(env), env, env, horizon=0)


class Recorder:
    """Stands for a policy of Reach: goes proportionally, and keeps what it was shown."""

    def predict(self, observation: dict, deterministic: bool = True) -> tuple[np.ndarray, None]:
        self.seen = observation
        return towards(observation["desired_goal"], observation["observation"][:3], 1.0, 0.3), None


def test_a_reach_policy_is_shown_a_task_of_reach() -> None:
    seen = {"observation": np.arange(25.0), "achieved_goal": np.zeros(3), "desired_goal": np.array([9.0, 9.0, 0.425])}
    reach = Recorder()
    agent = ByReachPolicy(Push(None), reach)
    action, _ = agent.predict(seen)
    target, fingers = Push(None).plan(seen)
    np.testing.assert_array_equal(reach.seen["observation"], [0, 1, 2, 0, 0, 20, 21, 22, 0, 0])
    np.testing.assert_array_equal(reach.seen["desired_goal"], target)
    assert action.dtype == np.float32 and action[3] == np.float32(fingers)
    agent.planner.pushing = True
    agent.seed(1)
    assert not agent.planner.pushing
