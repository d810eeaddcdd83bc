"""Goals and objects are drawn from where a distribution says, from the next reset on; without one nothing changes."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from common.errors import UserError
from envs.distributions import Distribution
from envs.make import make_env, make_upstream


def starts(env, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """(achieved, desired) goals (n, 3) of n resets."""
    observations = [env.reset(seed=seed)[0] for seed in range(n)]
    return tuple(np.stack([o[key] for o in observations]) for key in ("achieved_goal", "desired_goal"))


def table_height(env) -> float:
    return float(env.unwrapped.height_offset)


def test_a_distribution_that_names_nothing_is_upstreams_own() -> None:
    ours, theirs = make_env("FetchPickAndPlace-v4"), make_upstream("FetchPickAndPlace-v4")
    ours.unwrapped.set_distribution(Distribution(object_size=1.5, goal_range=0.01))
    ours.unwrapped.set_distribution(Distribution())
    for a, b in zip(starts(ours, 20), starts(theirs, 20), strict=True):
        assert np.array_equal(a, b)


def test_goals_and_objects_lie_where_they_are_said_to() -> None:
    env = make_env("FetchPickAndPlace-v4", goal_range=0.04, object_range=0.11, air_fraction=1.0, goal_height=0.2)
    centre = env.unwrapped.initial_gripper_xpos[:2]
    achieved, desired = starts(env)
    assert np.abs(desired[:, :2] - centre).max() <= 0.04 and np.abs(achieved[:, :2] - centre).max() <= 0.111
    above = desired[:, 2] - table_height(env)
    assert (above > 0).all() and 0.1 < above.max() <= 0.2
    env.unwrapped.set_distribution(Distribution(air_fraction=0.25))
    above = starts(env, 200)[1][:, 2] - table_height(env)
    assert 0.15 < (above > 0).mean() < 0.35 and above.max() > 0.3


def test_a_change_waits_for_the_next_reset() -> None:
    env = make_env("FetchPush-v4")
    goal = env.reset(seed=0)[0]["desired_goal"]
    env.unwrapped.set_distribution(Distribution(goal_range=0.0))
    assert np.array_equal(env.step(np.zeros(4))[0]["desired_goal"], goal)
    assert np.allclose(env.reset(seed=0)[0]["desired_goal"][:2], env.unwrapped.initial_gripper_xpos[:2])


@pytest.mark.parametrize("task", ["FetchPush-v4", "FetchSlide-v4"])
def test_a_larger_object_still_rests_on_the_table(task: str) -> None:
    env = make_env(task, object_size=1.5)
    first = env.reset(seed=1)[0]["achieved_goal"]
    for _ in range(25):
        last = env.step(np.zeros(4))[0]
    assert np.linalg.norm(last["achieved_goal"] - first) < 0.002
    plain = make_env(task).reset(seed=1)[0]
    assert 0.005 < first[2] - plain["achieved_goal"][2] < 0.02
    if task == "FetchPush-v4":
        assert last["desired_goal"][2] == pytest.approx(first[2], abs=1e-3)


def slid(**options: float) -> float:
    """How far (m) the puck goes after the same push of 1 m/s."""
    env = make_env("FetchSlide-v4", **options)
    start = env.reset(seed=0)[0]["achieved_goal"]
    data, model = env.unwrapped.data, env.unwrapped._model
    joint = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, "object0:joint")
    data.qvel[model.jnt_dofadr[joint] + 1] = 1.0
    for _ in range(20):
        end = env.step(np.zeros(4))[0]["achieved_goal"]
    return float(np.linalg.norm(end - start))


def test_friction_and_mass_reach_the_physics_of_this_environment_alone() -> None:
    neighbour = make_env("FetchSlide-v4")
    assert slid(object_friction=2.0) < 0.8 * slid() < 0.8 * slid(object_friction=0.5)
    heavy = make_env("FetchPush-v4", object_mass=3.0).unwrapped
    body = mujoco.mj_name2id(heavy._model, mujoco.mjtObj.mjOBJ_BODY, "object0")
    assert heavy._model.body_mass[body] == pytest.approx(6.0)
    light = make_env("FetchPush-v4").unwrapped
    assert light._model.body_mass[body] == pytest.approx(2.0) and neighbour.unwrapped._model is not heavy._model


@pytest.mark.parametrize(
    ("task", "options", "words"),
    [
        ("FetchReach-v4", {"object_mass": 2.0}, "no object"),
        ("FetchPush-v4", {"air_fraction": 0.0}, "goals in the air"),
        ("FetchPush-v4", {"goal_range": -0.1}, "at least 0"),
        ("FetchPush-v4", {"goal_range": float("nan")}, "finite"),
        ("FetchPush-v4", {"object_size": 0.0}, "above 0"),
        ("FetchPush-v4", {"object_range": 0.05}, "at least 0.1"),
        ("FetchPickAndPlace-v4", {"air_fraction": 1.5}, "between 0 and 1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(task: str, options: dict[str, float], words: str) -> None:
    with pytest.raises(UserError, match=words):
        make_env(task, **options)
