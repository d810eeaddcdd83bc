"""Named factors of a robot: each reaches what it is named after, and an episode's seed decides all of them."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest

from common.errors import UserError
from envs.task import Task
from wrappers.randomization import FACTORS, Factor, Robot

PUSH = "FetchPush-v4"


def robot(env) -> Robot:
    """The `Robot` inside `env`."""
    while not isinstance(env, Robot):
        env = env.env
    return env


def played(env, seed: int, steps: int = 12) -> np.ndarray:
    """(steps + 1, 25): what an episode of fixed actions shows."""
    observation, _ = env.reset(seed=seed)
    rng, seen = np.random.default_rng(5), [observation["observation"]]
    for _ in range(steps):
        seen.append(env.step(rng.uniform(-1, 1, 4).astype(np.float32))[0]["observation"])
    return np.array(seen)


def test_a_nominal_robot_is_the_task_itself_bit_for_bit() -> None:
    plain, wrapped = Task(PUSH).make(), Task(PUSH, ("plant",)).make()
    for seed in (0, 1):
        assert np.array_equal(played(plain, seed), played(wrapped, seed))


def test_each_factor_changes_what_it_is_named_after() -> None:
    env = Task(PUSH, ("plant:mass=2,friction=0.5,size=1.2,lag=3,damping=5,gain=0.5,delay=2,noise=0.01",)).make()
    nominal, (observation, info) = Task(PUSH).make().unwrapped, env.reset(seed=0)
    task = env.unwrapped
    old, new = nominal.model, task.model
    assert new.body("object0").mass == pytest.approx(2 * old.body("object0").mass)
    geom = new.body("object0").geomadr[0]
    assert new.geom_friction[geom, 0] == pytest.approx(0.5 * old.geom_friction[geom, 0])
    assert new.geom_size[geom] == pytest.approx(1.2 * old.geom_size[geom])
    assert new.eq_solref[0] == pytest.approx([3 * old.eq_solref[0, 0], old.eq_solref[0, 1]])
    ratio = new.dof_damping / old.dof_damping
    changed = [new.joint(int(new.dof_jntid[i])).name for i in np.flatnonzero(ratio != 1)]
    assert len(changed) == 7 and not [name for name in changed if "gripper" in name or "torso" in name]
    assert ratio.max() == pytest.approx(5)
    assert info["robot"]["delay"] == 2 and set(info["robot"]) == set(FACTORS)
    # Two steps of nothing, then half of what was asked for.
    asked, arrived = np.full(4, 0.8, np.float32), []
    for _ in range(3):
        observation, *_ = env.step(asked)
        arrived.append(env.get_wrapper_attr("applied_action"))
    assert np.allclose(arrived, [[0] * 4, [0] * 4, [0.4] * 4])
    # The gripper is measured by encoders, the object by a camera.
    achieved, _, gripper = task.goal_state()
    error = observation["observation"][:6] - [*gripper, *achieved]
    assert 0 < np.abs(error[:3]).max() < 0.006 and 0.001 < np.abs(error[3:]).max() < 0.06


def test_lag_and_damping_slow_the_arm() -> None:
    """The gripper's way in five steps to the right: what the sensitivity of the chapter is about."""

    def way(*wrappers: str) -> float:
        env = Task(PUSH, wrappers).make()
        start = env.reset(seed=0)[0]["observation"][1]
        for _ in range(5):
            observation, *_ = env.step(np.array([0, 1, 0, 0], np.float32))
        return observation["observation"][1] - start

    plain = way()
    assert way("plant:lag=2") < 0.8 * plain < plain < way("plant:lag=0.5")
    assert way("plant:damping=5") < plain
    assert way("plant:gain=0.5") < 0.7 * plain
    # Nothing touches the object here, so it cannot matter.
    assert way("plant:mass=2") == pytest.approx(plain, abs=1e-9)


def test_a_seed_decides_the_robot_whatever_was_before_it() -> None:
    env, again = Task(PUSH, ("randomize",)).make(), Task(PUSH, ("randomize",)).make()
    first = played(env, 3)
    values = dict(robot(env).values)
    played(env, 4)
    assert robot(env).values != values
    for _ in range(2):
        again.reset(seed=11)
    assert np.array_equal(played(again, 3), first) and robot(again).values == values


def test_draws_stay_in_their_ranges_and_the_rest_is_nominal() -> None:
    env = Task(PUSH, ("randomize:factors=friction+delay+noise,width=0.5",)).make()
    seen: dict[str, list[float]] = {name: [] for name in FACTORS}
    env.reset(seed=0)
    for _ in range(60):
        for name, value in env.reset()[1]["robot"].items():
            seen[name].append(value)
    assert {name for name, values in seen.items() if len(set(values)) > 1} == {"friction", "delay", "noise"}
    assert math.sqrt(0.5) <= min(seen["friction"]) < 0.8 and 1.25 < max(seen["friction"]) <= math.sqrt(2)
    assert set(seen["delay"]) == {0.0, 1.0} and 0.002 < max(seen["noise"]) <= 0.0025
    assert seen["mass"] == [1.0] * 60


def test_half_and_twice_are_equally_far_away() -> None:
    ratio, amount = Factor("a", 1.0, 0.25, 4.0, ""), Factor("b", 0.0, 0.0, 3.0, "", whole=True)
    assert [ratio.at(s) for s in (0, 0.5, 1)] == pytest.approx([0.25, 1, 4])
    assert ratio.at(1, width=0.5) == pytest.approx(2)
    assert [amount.at(s) for s in (0, 0.5, 1)] == [0, 2, 3]
    rng = np.random.default_rng(0)
    logs = np.log([ratio.draw(rng, 1.0) for _ in range(2000)])
    assert abs(logs.mean()) < 0.06 and logs.min() > np.log(0.25) and logs.max() < np.log(4)


def test_only_training_is_randomised() -> None:
    task = Task(PUSH, ("randomize", "plant:delay=1"))
    (left,) = task.for_evaluation().wrappers
    assert left.startswith("plant:")


def test_ratios_are_to_the_object_that_the_options_name() -> None:
    """An option of the environment stays: what a wrapper does not change is not set back to the simulator's own."""
    env = Task(PUSH, ("plant:delay=1,friction=0.5",), {"object_mass": 4, "object_friction": 2}).make()
    heavy = float(env.unwrapped.model.body("object0").mass[0])
    for seed in range(2):
        env.reset(seed=seed)
    task = env.unwrapped
    assert float(task.model.body("object0").mass[0]) == heavy == pytest.approx(8)
    assert (task.distribution.object_mass, task.distribution.object_friction) == (4, 1)


def test_a_task_has_one_robot() -> None:
    """Of two, the inner one would write over the other's mass, lag and damping without a word."""
    for wrappers in (("plant", "plant:mass=2"), ("plant:lag=2", "randomize"), ("randomize", "plant:delay=1")):
        with pytest.raises(UserError, match="one robot"):
            Task(PUSH, wrappers).make()


def test_a_task_without_an_object_has_no_factors_of_it() -> None:
    env = Task("FetchReach-v4", ("randomize",)).make()
    assert set(env.reset(seed=0)[1]["robot"]) == {n for n, f in FACTORS.items() if not f.of_object}


@pytest.mark.parametrize(
    ("env_id", "wrapper", "says"),
    [
        (PUSH, "randomize:factors=fricton", "mean friction"),
        (PUSH, "randomize:width=0", "width=0: a number above 0 and up to 2"),
        (PUSH, "plant:mass=0", "mass=0: a number above 0"),
        (PUSH, "plant:noise=-1", "noise=-1: at least 0"),
        (PUSH, "plant:mas=1", "mean mass"),
        ("FetchReach-v4", "plant:mass=2", "no object"),
        ("CartPole-v1", "plant", "those of a Fetch task"),
    ],
)
def test_mistakes_are_told(env_id: str, wrapper: str, says: str) -> None:
    with pytest.raises(UserError, match=says):
        Task(env_id, (wrapper,)).make()


def test_the_model_of_other_environments_is_left_alone() -> None:
    """Environments of a task share a model until one of them changes it."""
    plain, changed = Task(PUSH).make(), Task(PUSH, ("plant:lag=2",)).make()
    plain.reset(seed=0)
    changed.reset(seed=0)
    assert isinstance(changed.unwrapped._model, mujoco.MjModel)
    assert plain.unwrapped._model is not changed.unwrapped._model
    assert plain.unwrapped._model.eq_solref[0, 0] == pytest.approx(0.02)


def test_a_robot_without_a_choice_is_not_built() -> None:
    with pytest.raises(TypeError, match="abstract.*choose"):
        Robot(Task(PUSH).make())
