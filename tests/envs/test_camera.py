"""Rings around goals: where they are drawn, how large they are, and that nothing but the picture changes."""

from __future__ import annotations

import numpy as np
import pytest

from envs.camera import CAMERAS, circle, hide_mocap, projector, task_of, with_goal
from envs.make import FETCH_IDS, make_env
from envs.rendering import choose_backend

pytestmark = pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")


def picture(env_id: str, seed: int, size: int = 200) -> tuple:
    """An environment with its frame."""
    env = make_env(
        env_id, render_mode="rgb_array", width=size, height=size, default_camera_config=CAMERAS[task_of(env_id)]
    )
    env.reset(seed=seed)
    return env, env.render()


def test_every_task_has_a_camera() -> None:
    assert {task_of(env_id) for env_id in FETCH_IDS} == set(CAMERAS)


@pytest.mark.parametrize("task", ["Push", "Slide"])
def test_a_point_of_the_world_is_where_the_renderer_draws_it(task: str) -> None:
    """The pixel at the goal is the red of the task's own marker."""
    env, frame = picture(f"Fetch{task}-v4", seed=2)
    column, row = projector(env, 200, 200)(env.unwrapped.goal).round().astype(int)
    red, green, blue = map(int, frame[row, column])
    env.close()
    assert red > 100 and green < 60 and blue < 60


@pytest.mark.parametrize("env_id", ["FetchReach-v4", "FetchPush-v4", "FetchPickAndPlace-v4"])
def test_the_ring_is_the_threshold_and_changes_only_its_surroundings(env_id: str) -> None:
    env, frame = picture(env_id, seed=1)
    points, goal = circle(env), env.unwrapped.goal
    np.testing.assert_allclose(np.linalg.norm(points - goal, axis=1), env.unwrapped.distance_threshold)
    drawn = with_goal(frame, env)
    assert drawn.shape == frame.shape and drawn.dtype == np.uint8
    pixel = projector(env, 200, 200)
    on_ring = np.array([pixel(point) for point in points[:-1]]).round().astype(int)
    red = np.array([drawn[row, column] for column, row in on_ring])
    assert (red[:, 0] > 150).mean() > 0.9 and (red[:, 1] < 120).mean() > 0.9
    changed = np.abs(drawn.astype(int) - frame.astype(int)).max(axis=2) > 90
    rows, columns = np.nonzero(changed)
    near = np.hypot(columns - pixel(goal)[0], rows - pixel(goal)[1])
    assert near.max() < 110, "a ring and its plumb line, and nothing far away"
    env.close()


def test_hidden_bars_change_no_step() -> None:
    plain, hidden = make_env("FetchPush-v4"), make_env("FetchPush-v4")
    hide_mocap(hidden)
    for env in (plain, hidden):
        env.reset(seed=0)
    for _ in range(5):
        action = np.array([1.0, -1.0, 0.5, 0.0], dtype=np.float32)
        one, two = plain.step(action)[0], hidden.step(action)[0]
        np.testing.assert_array_equal(one["observation"], two["observation"])


@pytest.mark.parametrize("env_id", ["FetchPush-v4", "FetchPickAndPlace-v4"])
def test_an_episode_that_is_drawn_is_the_episode(env_id: str) -> None:
    """Upstream's drawing calls `mj_forward`, and PickAndPlace's next step starts from body positions that it moves."""
    seen = {}
    for mode in (None, "rgb_array"):
        env = make_env(env_id, render_mode=mode, **({"width": 32, "height": 32} if mode else {}))
        rows = [env.reset(seed=3)[0]["observation"]]
        actions = np.random.default_rng(3).uniform(-1, 1, (25, 4)).astype(np.float32)
        for action in actions:
            if mode:
                # Drawn again, the marker is still where the goal is.
                assert np.array_equal(env.render(), env.render())
            rows.append(env.step(action)[0]["observation"])
        seen[mode] = np.array(rows)
        env.close()
    assert np.array_equal(seen[None], seen["rgb_array"])
