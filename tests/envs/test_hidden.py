"""What observations give away: hidden things stay hidden, seen things are seen, and a leak is found."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest

from agents.controllers import CONTROLLERS
from envs.hidden import actions_of, compare_seen, given_away
from envs.task import Task
from wrappers.registry import register

PLAIN = Task("FetchPickAndPlace-v4")


@pytest.fixture(scope="module")
def actions() -> np.ndarray:
    env = PLAIN.make()
    return actions_of(CONTROLLERS.build("scripted", env), PLAIN, 0)[:25]


def test_mass_shows_only_once_the_object_is_moved_and_size_at_once(actions: np.ndarray) -> None:
    heavy = compare_seen(PLAIN, Task(PLAIN.env_id, options={"object_mass": 4.0}), actions, 0)
    # Rounding differs at once; what can be acted on comes when the fingers meet the object.
    assert heavy["observation"]["first_step"] == 1 and heavy["observation"]["first_size"] < 1e-9
    assert heavy["observation"]["noticeable"] > 3
    assert heavy["desired_goal"]["first_step"] is None
    large = compare_seen(PLAIN, Task(PLAIN.env_id, options={"object_size": 1.2}), actions, 0)
    assert large["observation"]["noticeable"] == large["achieved_goal"]["noticeable"] == 0


def test_time_reward_and_the_goals_distribution_are_not_in_the_observation(actions: np.ndarray) -> None:
    for other in (Task(PLAIN.env_id, options={"max_episode_steps": 30}), Task(PLAIN.env_id, ("reward_shift:by=1",))):
        found = compare_seen(PLAIN, other, actions, 0)
        assert all(found[key]["first_step"] is None for key in ("observation", "achieved_goal", "desired_goal"))
    narrow = compare_seen(PLAIN, Task(PLAIN.env_id, options={"goal_range": 0.05, "air_fraction": 0.1}), actions, 0)
    assert narrow["desired_goal"]["first_step"] == 0 and narrow["observation"]["first_step"] is None


def test_a_leak_is_found(actions: np.ndarray) -> None:
    @register("leaks_the_goal")
    class LeaksTheGoal(gym.ObservationWrapper):
        def observation(self, seen: dict) -> dict:
            first = seen["observation"].copy()
            first[-1] = seen["desired_goal"][0]
            return seen | {"observation": first}

    leaky = Task(PLAIN.env_id, ("leaks_the_goal",))
    other = Task(PLAIN.env_id, ("leaks_the_goal",), {"goal_range": 0.05})
    assert compare_seen(leaky, other, actions[:1], 0)["observation"]["first_step"] == 0

    class Still:
        def predict(self, observation: dict, deterministic: bool = True) -> tuple[np.ndarray, None]:
            return np.zeros(4, np.float32), None

    found = given_away(PLAIN.env_id, {"leak": leaky}, Still(), [0, 1])
    leak = found["leak"]["observation"]
    assert (leak["at_reset"], leak["ever"], leak["noticeable"], leak["first_noticeable"]) == (2, 2, 2, 0)
