"""Where a point of the world is in a rendered frame, and cameras from which a Fetch task can be followed.

A frame shows the goal as a ring at the distance that counts as reached. It is drawn over the picture, so that neither
the object nor the arm hides it. Positions are in MuJoCo's world frame, in m.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image, ImageDraw

# Near enough that block, fingers and goal are more than a few pixels of a small frame, from the side on which the arm
# hides least. The goals of Slide are far away.
CAMERAS = {
    "Reach": {"distance": 0.92, "azimuth": 145.0, "elevation": -18.0, "lookat": np.array([1.34, 0.75, 0.55])},
    "Push": {"distance": 0.82, "azimuth": 145.0, "elevation": -34.0, "lookat": np.array([1.34, 0.75, 0.45])},
    "PickAndPlace": {"distance": 0.95, "azimuth": 145.0, "elevation": -22.0, "lookat": np.array([1.34, 0.75, 0.54])},
    "Slide": {"distance": 1.25, "azimuth": 118.0, "elevation": -34.0, "lookat": np.array([1.41, 0.75, 0.46])},
}
TABLE_HEIGHT = 0.4
RING, SHADOW = (230, 20, 20), (150, 60, 60)


def hide_mocap(env: gym.Env) -> None:
    """Make the thin bars invisible that mark where the gripper is told to be; nothing else changes."""
    model = env.unwrapped.model
    bodies = [body for body in range(model.nbody) if model.body_mocapid[body] >= 0]
    model.geom_rgba[np.isin(model.geom_bodyid, bodies), 3] = 0


def task_of(env_id: str) -> str:
    """`Push` for `FetchPush-v4` and `FetchPushDense-v4`."""
    return env_id.removeprefix("Fetch").split("-")[0].removesuffix("Dense")


def projector(env: gym.Env, width: int, height: int) -> Callable[[np.ndarray], np.ndarray]:
    """A function from points (3,), m, world frame, to pixels (2,) in the picture that `env` rendered last.

    Pixels are (column, row) of a picture (height, width, 3).
    """
    cameras = env.unwrapped.mujoco_renderer.viewer.scn.camera
    # MuJoCo keeps one camera for each eye; a single picture is taken from between them, through the near plane.
    place = (np.array(cameras[0].pos) + np.array(cameras[1].pos)) / 2
    forward, up = np.array(cameras[0].forward), np.array(cameras[0].up)
    scale = height / 2 * cameras[0].frustum_near / cameras[0].frustum_top

    def pixel(point: Any) -> np.ndarray:
        away = (point - place) / ((point - place) @ forward) * scale
        return np.array([width / 2 + away @ np.cross(forward, up), height / 2 - away @ up])

    return pixel


def circle(env: gym.Env, points: int = 48) -> np.ndarray:
    """Points (points, 3), m, world frame, around the goal, as far from it as the task's threshold.

    On Push and Slide the circle lies on the table. Elsewhere the goal may be in the air, and the circle is the outline
    of the ball in which it counts as reached, as the camera sees it.
    """
    goal, radius = env.unwrapped.goal, env.unwrapped.distance_threshold
    angles = np.linspace(0, 2 * np.pi, points)[:, None]
    if task_of(env.spec.id) in ("Push", "Slide"):
        first, second = np.eye(3)[:2]
    else:
        camera = env.unwrapped.mujoco_renderer.viewer.scn.camera[0]
        first, second = np.cross(camera.forward, camera.up), np.array(camera.up)
    return goal + radius * (np.cos(angles) * first + np.sin(angles) * second)


def with_goal(frame: np.ndarray, env: gym.Env) -> np.ndarray:
    """A copy of `frame` (H, W, 3, uint8), which `env` rendered last, with a ring around the goal.

    A goal in the air has a plumb line to the table under it: without one, a picture does not tell how high it is.
    """
    height, width = frame.shape[:2]
    # Drawn at three times the size and made smaller: lines without stairs.
    image = Image.fromarray(frame).resize((3 * width, 3 * height), Image.Resampling.BILINEAR)
    draw, pixel, goal = ImageDraw.Draw(image), projector(env, 3 * width, 3 * height), env.unwrapped.goal
    thick = max(4, width // 25)
    if goal[2] > TABLE_HEIGHT + 0.06:
        foot = pixel(np.array([goal[0], goal[1], TABLE_HEIGHT]))
        draw.line([*pixel(goal), *foot], fill=SHADOW, width=thick // 2)
        draw.ellipse([*(foot - (2 * thick, thick)), *(foot + (2 * thick, thick))], outline=SHADOW, width=thick // 2)
    draw.line([tuple(pixel(point)) for point in circle(env)], fill=RING, width=thick, joint="curve")
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
