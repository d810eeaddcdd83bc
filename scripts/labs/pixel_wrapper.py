"""What must a policy from pixels be shown, and what must it not? A wrapper from scratch, and the ways it can leak.

    python scripts/labs/pixel_wrapper.py --verify                     # every claim, about 15 seconds
    python scripts/labs/pixel_wrapper.py --demo --figure runs/ch09/frames.png

Exit status 1 if a claim is wrong. For reading beside chapter 09; nothing imports it. `wrappers/pixels.py` shows the
same and draws faster. Positions are in m, world frame; pictures are (3, 64, 64) uint8, colours first.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections import deque
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from common.files import write_atomically
from envs.camera import hide_mocap
from envs.make import make_env
from envs.rendering import require_backend

SIZE = 64
VIEW = {"distance": 0.65, "azimuth": 90.0, "elevation": -50.0, "lookat": np.array([1.34, 0.75, 0.43])}
# Of the 25 numbers: the gripper's position, the fingers' opening, the gripper's velocity, the fingers' velocity.
ROBOT = [0, 1, 2, 9, 10, 20, 21, 22, 23, 24]
Claim = tuple[str, float, float, float]


class PixelObservations(gym.Wrapper):
    """What a camera and the robot's own joints see; the goal in the picture, or as three numbers beside it."""

    def __init__(self, env: gym.Env, goal_mode: str, frames: int = 1):
        super().__init__(env)
        self.goal_mode, self.stack = goal_mode, deque(maxlen=frames)

    # --8<-- [start:pixel_wrapper]
    def observe(self, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self.stack.append(picture(self.env, marker=self.goal_mode == "none"))
        shown = {"pixels": np.concatenate(self.stack), "robot": state["observation"][ROBOT]}
        if self.goal_mode in ("desired", "both"):
            shown["desired_goal"] = state["desired_goal"]
        if self.goal_mode == "both":
            # For the replay, which relabels; no network may read it.
            shown["achieved_goal"] = state["achieved_goal"]
        return shown
        # --8<-- [end:pixel_wrapper]

    def reset(self, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Reset; the stack is filled with the first frame."""
        state, info = self.env.reset(**options)
        for _ in range(self.stack.maxlen):
            shown = self.observe(state)
        return shown, info

    def step(self, action: Any) -> tuple[Any, ...]:
        """Step and look."""
        state, *rest = self.env.step(action)
        return self.observe(state), *rest


# --8<-- [start:marker]
def picture(env: gym.Env, marker: bool) -> np.ndarray:
    """(3, SIZE, SIZE) uint8, drawn at the size at which it is used. Without `marker` nothing red shows the goal."""
    model = env.unwrapped.model
    model.site_rgba[model.site("target0").id, 3] = 1.0 if marker else 0.0
    # (H, W, 3) -> (3, H, W)
    return env.render().transpose(2, 0, 1)
    # --8<-- [end:marker]


# --8<-- [start:stored_once]
def stack_again(frames: np.ndarray, t: int, k: int) -> np.ndarray:
    """The stack (3 k, H, W) that was shown at step t, from an episode's frames (T + 1, 3, H, W), each kept once."""
    # Before the episode's first frame there was none: it stands for those.
    steps = np.maximum(np.arange(t - k + 1, t + 1), 0)
    return np.concatenate(frames[steps])
    # --8<-- [end:stored_once]


def made(goal_mode: str, frames: int = 1, env_id: str = "FetchPush-v4") -> PixelObservations:
    """The task with a camera near the table, wrapped."""
    require_backend("this lab")
    env = make_env(env_id, "rgb_array", width=SIZE, height=SIZE, default_camera_config=VIEW)
    # Thin bars mark where the gripper is told to be, which no camera would see.
    hide_mocap(env)
    return PixelObservations(env, goal_mode, frames)


def reds(pixels: np.ndarray) -> int:
    """Pixels of the marker's colour in the newest frame."""
    red, green, blue = pixels[-3:].astype(int)
    return int(((red > 100) & (green < 60) & (blue < 60)).sum())


def check() -> list[Claim]:
    """Claims: what, its value, the least and the most that bear it out."""
    shown = {}
    for mode in ("none", "desired", "both"):
        with contextlib.closing(made(mode)) as env:
            shown[mode] = [env.reset(seed=seed)[0] for seed in range(8)]
    marked = {mode: sum(reds(each["pixels"]) > 0 for each in found) for mode, found in shown.items()}
    with contextlib.closing(made("both", frames=3)) as env:
        stacks = [env.reset(seed=1)[0]["pixels"]]
        stacks += [env.step(np.array([1, 0.5, 0, 0], np.float32))[0]["pixels"] for _ in range(5)]
    once = np.stack([stack[-3:] for stack in stacks])
    wrong = sum(not np.array_equal(stack_again(once, t, 3), stack) for t, stack in enumerate(stacks))
    # The block is carried away: does anything that the policy is told change?
    with contextlib.closing(made("both")) as env:
        before, inner = env.reset(seed=0)[0], env.unwrapped
        state = inner._get_obs()["observation"]
        inner.data.joint("object0:joint").qpos[:2] += [0.1, -0.1]
        mujoco.mj_forward(inner.model, inner.data)
        moved, state_then = env.observe(inner._get_obs()), inner._get_obs()["observation"]
    frame = once[0].nbytes
    return [
        ("episodes whose frame shows the marker, of 8, goal_mode none", marked["none"], 6, 8),
        ("the same, desired", marked["desired"], 0, 0),
        ("the same, both", marked["both"], 0, 0),
        ("vectors beside pixels and joints, goal_mode none", len(shown["none"][0]) - 2, 0, 0),
        ("numbers of the robot that change when the block is moved", np.sum(moved["robot"] != before["robot"]), 0, 0),
        ("numbers of the task's own observation that change", np.sum(state != state_then), 4, 15),
        ("pixels that change, share", np.mean((moved["pixels"] != before["pixels"]).any(0)), 0.002, 0.1),
        ("stacks that come back wrong from frames kept once, of 6", wrong, 0, 0),
        ("bytes of a frame", frame, 3 * SIZE * SIZE, 3 * SIZE * SIZE),
        ("times as many, were stacks of 3 kept with each step and the next", 2 * stacks[0].nbytes / frame, 6, 6),
    ]


def main(verify: bool = False, demo: bool = False, figure: str | None = None, json_out: str | None = None) -> int:
    """Check every claim (--verify); draw what a policy sees over some steps, with the marker and without (--demo)."""
    began, claims = time.monotonic(), check() if verify or not demo else []
    for text, value, low, high in claims:
        print(f"{'ok   ' if low <= value <= high else 'WRONG'} {text:66s} {value:8.4g}   [{low:g}, {high:g}]")
    if demo:
        from PIL import Image

        rows = []
        for mode in ("none", "both"):
            with contextlib.closing(made(mode)) as env:
                cells = [env.reset(seed=1)[0]["pixels"]]
                for _ in range(5):
                    for _ in range(3):
                        shown, *_ = env.step(np.array([-0.3, 0.6, -0.2, 0], np.float32))
                    cells.append(shown["pixels"])
            rows.append(np.concatenate(cells, axis=2))
        whole = np.concatenate(rows, axis=1).transpose(1, 2, 0).repeat(3, axis=0).repeat(3, axis=1)
        path, stream = Path(figure or "runs/ch09/frames.png"), io.BytesIO()
        Image.fromarray(whole).save(stream, "PNG")
        write_atomically(path, stream.getvalue())
        print(f"above with the marker (goal_mode none), below without -> {path}")
    if json_out:
        known = provenance.metadata({}, wall_clock_s=round(time.monotonic() - began, 3))
        data = {"claims": [float(value) for _, value, *_ in claims]}
        save(json_out, DataReport(name="pixel_wrapper", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="pixel_wrapper.py")))
