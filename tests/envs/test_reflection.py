"""The mirror of the Fetch tasks is one: twice is nothing, and physics agrees with it as far as the arm is symmetric."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from envs.make import FETCH_IDS, make_env
from envs.reflection import PLANE_M, fetch_reflection, located_reflection

SPARSE = [env_id for env_id in FETCH_IDS if "Dense" not in env_id]


def flat(observation: dict[str, np.ndarray]) -> np.ndarray:
    parts = [observation[key] for key in ("achieved_goal", "desired_goal", "observation")]
    return np.concatenate(parts)[None]


@pytest.mark.parametrize("has_object", [False, True])
def test_twice_is_nothing(has_object: bool) -> None:
    reflection = fetch_reflection(has_object)
    x = np.random.default_rng(0).normal(size=(20, 31 if has_object else 16)).astype(np.float32)
    assert not np.allclose(reflection(x), x)
    np.testing.assert_allclose(reflection(reflection(x)), x, atol=1e-6)
    assert (reflection.action_sign**2 == 1).all()


@pytest.mark.parametrize("env_id", SPARSE)
def test_matches_the_task_and_keeps_rewards(env_id: str) -> None:
    env = make_env(env_id)
    reflection = env.get_wrapper_attr("reflection")()
    observation, _ = env.reset(seed=0)
    x = flat(observation)
    mirrored = reflection(x)
    assert mirrored.shape == x.shape
    reward = env.unwrapped.compute_reward
    assert reward(x[:, :3], x[:, 3:6], {}) == reward(mirrored[:, :3], mirrored[:, 3:6], {})
    # The object is seen from the hand in the same way: position − gripper, and desired − achieved, change only in y.
    if env.unwrapped.has_object:
        np.testing.assert_allclose(mirrored[0, 12:15], mirrored[0, 9:12] - mirrored[0, 6:9], atol=1e-6)
    env.close()


def test_a_located_object_is_mirrored_as_one_that_was_told() -> None:
    # Place of the object, and of the robot: gripper, fingers, gripper's velocity, fingers' velocity.
    kept = np.concatenate([np.arange(6), 6 + np.r_[3:6, 0:3, 9:11, 20:23, 23:25]])
    env = make_env("FetchPush-v4")
    generator, whole = np.random.default_rng(1), env.get_wrapper_attr("reflection")()
    observation, _ = env.reset(seed=2)
    for _ in range(3):
        observation, *_ = env.step(generator.uniform(-1, 1, 4))
        x = flat(observation).astype(np.float32)
        mirrored = env.get_wrapper_attr("located_reflection")()(x[:, kept])
        np.testing.assert_allclose(mirrored, whole(x)[:, kept], atol=1e-6)
        assert not np.allclose(mirrored, x[:, kept], atol=1e-3)
    np.testing.assert_array_equal(located_reflection().action_sign, whole.action_sign)
    env.close()


@pytest.mark.parametrize("env_id", SPARSE)
def test_physics_agrees(env_id: str) -> None:
    """Mirrored actions from a mirrored start lead to the mirrored place: hand within 5 mm over a whole episode, and the
    object within 5 mm until it is touched (contacts then make small differences large)."""
    left, right = make_env(env_id), make_env(env_id)
    reflection = left.get_wrapper_attr("reflection")()
    generator, touched, hands, objects = np.random.default_rng(0), 0, [], []
    for seed in range(6):
        observation, _ = left.reset(seed=seed)
        right.reset(seed=seed)
        task = right.unwrapped
        if task.has_object:
            place = task._utils.get_joint_qpos(task.model, task.data, "object0:joint")
            place[1] = 2 * PLANE_M - place[1]
            task._utils.set_joint_qpos(task.model, task.data, "object0:joint", place)
            mujoco.mj_forward(task.model, task.data)
        for _ in range(50):
            action = generator.uniform(-1, 1, 4).astype(np.float32)
            before = observation["achieved_goal"]
            observation, *_ = left.step(action)
            other, *_ = right.step(action * reflection.action_sign)
            expected, got = reflection(flat(observation))[0], flat(other)[0]
            hands.append(np.abs(expected[6:9] - got[6:9]).max())
            if task.has_object:
                touched = touched or np.linalg.norm(observation["achieved_goal"] - before) > 0.005
                if not touched:
                    objects.append(np.abs(expected[9:12] - got[9:12]).max())
    assert max(hands) < 5e-3
    assert not task.has_object or max(objects) < 5e-3
    left.close()
    right.close()
