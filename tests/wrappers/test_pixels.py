"""What a policy from pixels is shown: frames in a stack, its own joints, a goal; and nothing of the object."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import UserError
from envs.rendering import choose_backend
from envs.task import Task
from envs.vector import vectorise

ENV = "FetchPush-v4"
pytestmark = pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
ACTION = np.array([0.5, -0.3, 0.2, 0.0], np.float32)


def task(**arguments: Any) -> Task:
    return Task(ENV, ("pixels:" + ",".join(f"{key}={value}" for key, value in ({"size": 32} | arguments).items()),))


def reds(pixels: np.ndarray) -> int:
    """Pixels of the newest frame in the marker's colour, which nothing else in the scene has."""
    red, green, blue = pixels[-3:].astype(int)
    return int(((red > 100) & (green < 40) & (blue < 40)).sum())


@pytest.mark.parametrize(
    ("mode", "keys", "marked"),
    [
        ("none", {"pixels", "observation"}, True),
        ("desired", {"pixels", "observation", "desired_goal"}, False),
        ("both", {"pixels", "observation", "desired_goal", "achieved_goal"}, False),
    ],
)
def test_goal_modes(mode: str, keys: set[str], marked: bool) -> None:
    with contextlib.closing(task(goal_mode=mode, size=64).make()) as env:
        shown = [env.reset(seed=seed)[0] for seed in range(8)] + [env.step(ACTION)[0] for _ in range(4)]
        for observation in shown:
            assert set(observation) == keys and env.observation_space.contains(observation)
        counts = [reds(observation["pixels"]) for observation in shown]
        # The arm may stand before one of them.
        assert (sum(count > 0 for count in counts) >= 8) if marked else not any(counts), counts


def test_the_marker_stands_where_the_goal_is() -> None:
    """Not where the model's file put it, and in the next episode elsewhere."""
    with contextlib.closing(task(goal_mode="none", size=64, camera="top").make()) as env:
        columns, goals = [], []
        for seed in range(8):
            pixels = env.reset(seed=seed)[0]["pixels"].astype(int)
            found = np.argwhere((pixels[0] > 100) & (pixels[1] < 40) & (pixels[2] < 40))
            if len(found):
                columns.append(found[:, 1].mean()), goals.append(env.unwrapped.goal[0])
    # This camera looks along y: x is to the right.
    assert len(goals) >= 5 and np.corrcoef(columns, goals)[0, 1] > 0.99


def test_frames_are_stacked_oldest_first_and_an_episode_begins_with_copies() -> None:
    with contextlib.closing(task(frames=3).make()) as env:
        assert env.get_wrapper_attr("stacked_frames") == {"pixels": 3}
        # A second episode must not show the last frames of the first.
        for seed in (0, 1):
            first = env.reset(seed=seed)[0]["pixels"]
            assert first.shape == (9, 32, 32) and (first[:3] == first[3:6]).all() and (first[3:6] == first[6:]).all()
            second, third = (env.step(ACTION)[0]["pixels"] for _ in range(2))
            assert (second[:6] == first[:6]).all() and (second[6:] != first[6:]).any()
            assert (third[:3] == first[6:]).all() and (third[3:6] == second[6:]).all()


def test_two_views_and_no_proprioception() -> None:
    with contextlib.closing(task(camera="near+gripper_camera_rgb", proprioception="false").make()) as env:
        observation, _ = env.reset(seed=0)
        assert set(observation) == {"pixels", "desired_goal", "achieved_goal"}
        pixels = observation["pixels"]
        assert pixels.shape == (6, 32, 32) and (pixels[:3] != pixels[3:]).any()


def test_proprioception_is_the_robots_alone() -> None:
    """The block is lifted out of the scene: every number of its own changes, and none of those that are shown."""
    with contextlib.closing(task().make()) as env:
        env.reset(seed=0)
        before = env.step(ACTION)[0]["observation"]
        state = env.get_wrapper_attr("state")["observation"]
        inner = env.unwrapped
        inner.data.joint("object0:joint").qpos[:3] += [0.3, -0.2, 0.5]
        inner.data.joint("object0:joint").qvel[:] = 0.1
        import mujoco

        mujoco.mj_forward(inner._model, inner.data)
        moved = inner._get_obs()
        assert (np.delete(moved["observation"], [0, 1, 2, 9, 10, 20, 21, 22, 23, 24]) !=
                np.delete(state, [0, 1, 2, 9, 10, 20, 21, 22, 23, 24])).any()  # fmt: skip
        env.get_wrapper_attr("frame")()
        from wrappers.pixels import ROBOT

        np.testing.assert_array_equal(moved["observation"][ROBOT[25]], before)
        assert before.shape == (10,)


def test_threads_show_what_one_environment_after_another_shows() -> None:
    shown = {}
    for kind in ("dummy", "threads"):
        env = vectorise(task(frames=2).make, 3, kind)
        if kind == "threads":
            # Each environment stays in the thread that owns its OpenGL context.
            assert not env.movable
        env.seed(7)
        shown[kind] = [env.reset()] + [env.step(np.stack([ACTION] * 3))[0] for _ in range(3)]
        env.close()
    for one, other in zip(shown["dummy"], shown["threads"], strict=True):
        for key in one:
            np.testing.assert_array_equal(one[key], other[key])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"size": 5}, "size=5"),
        ({"frames": 0}, "frames=0"),
        ({"camera": "nearr"}, "no camera nearr; there are near"),
        ({"goal_mode": "image"}, "goal_mode=image"),
        ({"samples": 3}, "samples=3"),
        # Stable-Baselines3 would take height for channels.
        ({"size": 32, "frames": 6, "camera": "near+side"}, "36 channels of 32 by 32"),
    ],
)
def test_mistakes(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        task(**arguments).make()


def test_another_task() -> None:
    with pytest.raises(UserError, match="Fetch tasks"):
        Task("Pendulum-v1", ("pixels",)).make()


def test_no_renderer_is_said_before_anything_begins(tmp_path: Path, commands: Any) -> None:
    line = commands(
        f"train --algo sac --her --env {ENV} --wrap pixels --encoder nature --out a", tmp_path,
        environment={"ROBOTICS_RL_RENDERING": "none", "MUJOCO_GL": "disabled"},
    ).one_line()  # fmt: skip
    assert "--wrap pixels needs a renderer" in line and "apt-get install libegl1 libosmesa6" in line
    assert not (tmp_path / "a.zip").exists()
