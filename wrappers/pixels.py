"""What a camera sees in place of what the simulator knows: observations for learning from pixels, with nothing leaked.

    python train.py --algo sac --env FetchPush-v4 --wrap pixels:goal_mode=both,camera=near,size=64 --encoder …

A Fetch task shows the object's position and pose in `observation` and `achieved_goal`. Either of them given to a policy
"from pixels" is most of the task's solution. Behind this wrapper there is no such number:

| goal_mode | marker in the picture | desired_goal | achieved_goal | for |
|---|---|---|---|---|
| none    | yes | no  | no  | the goal has to be seen, too; no hindsight |
| desired | no  | yes | no  | acting, where the goal is a command |
| both    | no  | yes | yes, for the replay alone | hindsight: it must know what was achieved to give another goal |

No picture shows the marker where goals may be relabelled: it would contradict the new goal. In `both`, `achieved_goal`
is in the dictionary since relabelling needs it, and no encoder of agents/ reads it (tests/seams/test_pixels.py).
"""

from __future__ import annotations

from collections import deque
from typing import Any, Literal

import gymnasium as gym
import numpy as np

from wrappers.offscreen import Studio, camera_of, draw, leave, studio
from wrappers.registry import register

# Free cameras, beside those of the model itself. Both look along the table from the robot's right: the arm comes in
# from the left and hides little, and the robot's base, a third of its triangles, is out of sight.
CAMERAS: dict[str, dict[str, Any]] = {
    # Down on the table: where the object is.
    "near": {"distance": 0.65, "azimuth": 90.0, "elevation": -50.0, "lookat": (1.34, 0.75, 0.43)},
    # Lower and from farther away: a goal in the air, and the gripper at any height.
    "side": {"distance": 0.80, "azimuth": 90.0, "elevation": -30.0, "lookat": (1.34, 0.75, 0.52)},
    # Across the table towards the robot.
    "front": {"distance": 0.75, "azimuth": 180.0, "elevation": -50.0, "lookat": (1.32, 0.75, 0.50)},
    # From above and a little aside: the height of things hardly shows.
    "top": {"distance": 0.80, "azimuth": 90.0, "elevation": -75.0, "lookat": (1.34, 0.75, 0.45)},
}
MARKER = "target0"
# Where the robot's own numbers stand in the observation of a task with an object (25,): position of the gripper,
# opening of the fingers, velocity of the gripper, velocity of the fingers. Without an object they are all of it (10,).
ROBOT = {25: [0, 1, 2, 9, 10, 20, 21, 22, 23, 24], 10: list(range(10))}


@register("pixels", draws=True)
class Pixels(gym.Wrapper):
    """Observations: `pixels` (3 · views · frames, size, size) uint8, the oldest frame first, and what `goal_mode` says.

    `camera`: names joined by `+`, each a view of its own. `frames`: how many successive frames are stacked.
    `proprioception`: `observation` holds the robot's own 10 numbers, never the object's; else there is none.
    `samples`: multisampling of edges. `truth`: there is also `truth`, the task's own observation, for a critic in
    training; no encoder of agents/ reads it.
    """

    # Names a mode although the task below has none: an environment that draws must stay in its thread.
    render_mode = "rgb_array"

    def __init__(
        self, env: gym.Env, goal_mode: Literal["none", "desired", "both"] = "both", camera: str = "near",
        size: int = 64, frames: int = 1, proprioception: bool = True, samples: int = 0,
        truth: bool = False,
    ):  # fmt: skip
        super().__init__(env)
        if not 16 <= size <= 512:
            raise ValueError(f"size={size}: a number of pixels from 16 to 512 is needed.")
        if not 1 <= frames <= 16:
            raise ValueError(f"frames={frames}: a number from 1 to 16 is needed.")
        if samples not in (0, 2, 4, 8):
            raise ValueError(f"samples={samples}: 0, 2, 4 or 8 are possible.")
        self.goal_mode, self.size, self.frames, self.proprioception = goal_mode, size, frames, proprioception
        self.samples, self.truth = samples, truth
        inner = getattr(env.observation_space, "spaces", {})
        shown = inner.get("observation")
        if not hasattr(env.unwrapped, "goal_state") or shown is None or shown.shape[0] not in ROBOT:
            raise ValueError("it knows the Fetch tasks only, and they must still show their own observation.")
        self._robot = ROBOT[shown.shape[0]]
        model = self._model
        self._marker = model.site(MARKER).id
        known = [model.camera(i).name for i in range(model.ncam)]
        self.views = camera.split("+")
        for name in self.views:
            if name not in (*CAMERAS, *known):
                raise ValueError(f"no camera {name}; there are {', '.join([*CAMERAS, *known])}.")
        if (channels := 3 * len(self.views) * frames) > size:
            # Stable-Baselines3 takes the shortest side of a picture for its channels, and would turn it over.
            raise ValueError(
                f"{channels} channels of {size} by {size} pixels: fewer frames or views, or a larger size."
            )
        self.cameras = [camera_of(model, CAMERAS.get(name, name)) for name in self.views]
        self._studio: Studio | None = None
        self._stack: deque[np.ndarray] = deque(maxlen=frames)
        self._state: dict[str, np.ndarray] = {}
        boxes = {"pixels": gym.spaces.Box(0, 255, (3 * len(self.views) * frames, size, size), np.uint8)}
        boxes |= {key: inner[key] for key in self._goals()}
        if proprioception:
            boxes["observation"] = gym.spaces.Box(-np.inf, np.inf, (len(self._robot),), shown.dtype)
        if truth:
            boxes["truth"] = gym.spaces.Box(-np.inf, np.inf, shown.shape, np.float32)
        self.observation_space = gym.spaces.Dict(boxes)

    @property
    def _model(self) -> Any:
        """The model that physics runs on; it is read only."""
        return getattr(self.unwrapped, "_model", None) or self.unwrapped.model

    @property
    def state(self) -> dict[str, np.ndarray]:
        """What the task itself shows, `observation` (O,) and goals (G,), m: for a teacher or a critic in training.

        No policy from pixels may read it.
        """
        return self._state

    @property
    def stacked_frames(self) -> dict[str, int]:
        """Which observations are stacks, and of how many: a replay keeps each frame once (agents/replay.py)."""
        return {"pixels": self.frames}

    def _goals(self) -> tuple[str, ...]:
        return {"none": (), "desired": ("desired_goal",), "both": ("desired_goal", "achieved_goal")}[self.goal_mode]

    def frame(self) -> np.ndarray:
        """What the cameras see now: (3 · views, size, size) uint8."""
        if self._studio is None:
            # Here and not in the constructor: the thread that draws is the one whose context it must be.
            self._studio = studio(self._model, type(self.unwrapped), self.size, self.samples)
        goal = (self._marker, self.unwrapped.goal) if self.goal_mode == "none" else None
        seen = [draw(self._studio, self._model, self.unwrapped.data, camera, goal) for camera in self.cameras]
        # (H, W, 3) -> (3, H, W)
        return np.concatenate([view.transpose(2, 0, 1) for view in seen])

    def _observation(self, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        self._state = state
        self._stack.append(self.frame())
        shown = {"pixels": np.concatenate(self._stack)} | {key: state[key] for key in self._goals()}
        shown |= {"observation": state["observation"][self._robot]} if self.proprioception else {}
        return shown | ({"truth": state["observation"].astype(np.float32)} if self.truth else {})

    def reset(self, **options: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Reset; the stack, (3 · views · frames, size, size) uint8, is filled with the first frame."""
        state, info = self.env.reset(**options)
        self._stack.extend([self.frame()] * (self.frames - 1))
        return self._observation(state), info

    def step(self, action: Any) -> tuple[dict[str, np.ndarray], Any, bool, bool, dict[str, Any]]:
        """Step and look: `pixels` is the stack (3 · views · frames, size, size) uint8, the newest frame last."""
        state, *rest = self.env.step(action)
        return self._observation(state), *rest

    def render(self) -> Any:
        """The task's own picture where it was made with a render mode, else the newest frame (size, size, 3)."""
        if self.env.render_mode is not None:
            # Gymnasium's viewer takes it for granted that its context is still the current one.
            if (viewer := self.unwrapped.mujoco_renderer.viewer) is not None:
                viewer.make_context_current()
            return self.env.render()
        return self.frame()[:3].transpose(1, 2, 0)

    def close(self) -> None:
        """Close; in the thread that drew, the OpenGL context too."""
        if self._studio is not None:
            leave(self._studio)
            self._studio = None
        self.env.close()
