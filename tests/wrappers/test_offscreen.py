"""Frames drawn small: the same picture with fewer triangles, the same as upstream's own, and physics untouched."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import mujoco
import numpy as np
import pytest

from envs.rendering import choose_backend
from envs.task import Task
from wrappers.offscreen import _of_thread, camera_of, draw, leave, outside, studio
from wrappers.pixels import CAMERAS, MARKER

pytestmark = pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
ACTIONS = np.random.default_rng(0).uniform(-1, 1, (12, 4)).astype(np.float32)
ACTIONS[:, :3] = np.sign(ACTIONS[:, :3]) * 0.9


@pytest.fixture(scope="module")
def push():
    with contextlib.closing(Task("FetchPickAndPlace-v4").make()) as env:
        yield env


def test_the_same_picture_without_what_is_out_of_sight(push) -> None:
    model, data = push.unwrapped._model, push.unwrapped.data
    used, marker = studio(model, "test", 64, 0), model.site(MARKER).id
    triangles = np.where(model.geom_type == mujoco.mjtGeom.mjGEOM_MESH, model.mesh_facenum[model.geom_dataid], 12)
    saved = {}
    push.reset(seed=3)
    for action in ACTIONS:
        for _ in range(3):
            push.step(action)
        for name in (*CAMERAS, "external_camera_0", "head_camera_rgb"):
            camera, goal = camera_of(model, CAMERAS.get(name, name)), (marker, push.unwrapped.goal)
            everything = draw(used, model, data, camera, goal, cull=False)
            np.testing.assert_array_equal(draw(used, model, data, camera, goal), everything)
            assert everything.std() > 10, name
            saved[name] = triangles[outside(used.scene, model, used.data)].sum() / triangles.sum()
    # The recommended camera is spared four of five triangles.
    assert saved["near"] > 0.8 and saved["external_camera_0"] < 0.5, saved
    leave(used)


def test_the_same_picture_as_upstream_draws() -> None:
    camera = CAMERAS["side"] | {"lookat": np.array(CAMERAS["side"]["lookat"])}
    view = {"width": 64, "height": 64, "default_camera_config": camera}
    wrapped = Task("FetchPush-v4", ("pixels:goal_mode=none,camera=side,size=64,samples=4",))
    with contextlib.closing(wrapped.make(render_mode="rgb_array", **view)) as env:
        model = env.unwrapped.model
        # Neither draws where the gripper is told to be.
        model.geom_rgba[model.body_mocapid[model.geom_bodyid] >= 0, 3] = 0
        for seed in range(3):
            observation, _ = env.reset(seed=seed)
            for action in ACTIONS[:5]:
                observation, *_ = env.step(action)
            ours, theirs = observation["pixels"].transpose(1, 2, 0).astype(int), env.render().astype(int)
            assert np.abs(ours - theirs).max() <= 2, np.abs(ours - theirs).max()


def test_looking_changes_no_physics() -> None:
    plain, seen = Task("FetchPickAndPlace-v4").make(), Task("FetchPickAndPlace-v4", ("pixels:size=16",)).make()
    with contextlib.closing(plain), contextlib.closing(seen):
        plain.reset(seed=5), seen.reset(seed=5)
        for action in ACTIONS:
            state, *_ = plain.step(action)
            seen.step(action)
            for key, value in seen.get_wrapper_attr("state").items():
                np.testing.assert_array_equal(value, state[key])


def test_one_studio_a_thread_is_shared_and_closed_with_its_last_user() -> None:
    before = len(_of_thread.__dict__.get("studios", {}))
    first, second = (Task("FetchReach-v4", ("pixels:size=16",)).make() for _ in range(2))
    first.reset(seed=0), second.reset(seed=0)
    assert len(_of_thread.studios) == before + 1
    first.close()
    assert second.get_wrapper_attr("frame")().any()
    second.close()
    assert len(_of_thread.studios) == before


@pytest.mark.skipif(os.environ.get("MUJOCO_GL") != "osmesa", reason="a GPU draws for any number of threads at once")
def test_software_draws_for_one_thread_at_a_time(monkeypatch) -> None:
    """Two threads inside OSMesa at once kill the process now and then: while one draws, another must wait."""
    inside, together = [], []

    def render(*_: object) -> None:
        inside.append(1)
        time.sleep(0.005)
        together.append(len(inside))
        inside.pop()

    monkeypatch.setattr(mujoco, "mjr_render", render)

    def look(_: int) -> None:
        with contextlib.closing(Task("FetchPush-v4", ("pixels:camera=near",)).make()) as env:
            env.reset(seed=0)
            for _ in range(4):
                env.get_wrapper_attr("frame")()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(look, range(3)))
    assert set(together) == {1}


@pytest.mark.skipif(os.environ.get("MUJOCO_GL") != "osmesa", reason="a GPU has no such threads")
def test_software_draws_in_the_thread_that_asks() -> None:
    """In a fresh process: at most one thread beside Python's own (Mesa's cache of shaders), however many cores."""
    code = (
        "import os; from envs.task import Task; env = Task('FetchPush-v4', ('pixels:size=16',)).make(); "
        "env.reset(seed=0); print(len(os.listdir('/proc/self/task')))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "LP_NUM_THREADS"} | {
        "OMP_NUM_THREADS": "1"
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert int(done.stdout) <= 2, done.stderr
