"""Another look of the same scene: the camera, the light, the colours, and something in front of the lens.

It stands after `pixels`. Nothing but the picture changes: physics, goals and the robot's own numbers stay as they are.

    python eval.py  --ckpt PIXELS.zip --env FetchPush-v4 --wrap scene:camera=5          # turned by 5 degrees
    python train.py … --wrap pixels:… --wrap scene:camera=5,light=0.5,color=0.2,drawn=true      # from 0 to these

Each episode draws the direction of every change: where the camera is turned to, whether it is lighter or darker. The
amount is what is given, or with `drawn` between 0 and what is given, which is domain randomisation for images (Tobin
et al. 2017, arXiv:1703.06907).
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from wrappers.hindsight import layers
from wrappers.pixels import Pixels
from wrappers.registry import register
from wrappers.seeded import SeededWrapper

# What hides part of the picture: grey, as a sleeve or a cable out of focus.
GREY = 110


@register("scene", draws=True)
class Scene(SeededWrapper):
    """The pictures of a changed scene.

    `camera` (0 to 90): degrees by which a free camera is turned about what it looks at. `move` (0 to 1): m by which it
    and what it looks at are moved along the table. `zoom` (0 to 0.9): share by which the field of view is wider or
    narrower. `light` (0 to 1): share by which all lights are brighter or darker. `color` (0 to 1): how much is added to
    or taken from red, green and blue of every surface, each with its own amount up to this. `occlusion` (0 to 0.9):
    share of the picture behind a grey square, which stays in one place for an episode. Sizes that chapter 10 tests are
    in `evaluation/visual.py`.
    """

    def __init__(
        self, env: gym.Env, camera: float = 0.0, move: float = 0.0, zoom: float = 0.0, light: float = 0.0,
        color: float = 0.0, occlusion: float = 0.0, drawn: bool = False,
    ):  # fmt: skip
        super().__init__(env)
        self.limits = {"camera": camera, "move": move, "zoom": zoom, "light": light, "color": color,
                       "occlusion": occlusion}  # fmt: skip
        highest = {"camera": 90.0, "move": 1.0, "zoom": 0.9, "light": 1.0, "color": 1.0, "occlusion": 0.9}
        for name, value in self.limits.items():
            if not 0 <= value <= highest[name]:
                raise ValueError(f"{name}={value:g}: a number from 0 to {highest[name]:g} is needed.")
        self._pixels = next((layer for layer in layers(env) if isinstance(layer, Pixels)), None)
        if self._pixels is None:
            raise ValueError("it changes pictures; `pixels` must come before it.")
        if any(isinstance(layer, Scene) for layer in layers(env)):
            # Both write into one model, the inner one last.
            raise ValueError("pictures have one `scene`, and there is one inside already; leave one out.")
        if camera + move > 0 and any(place.fixedcamid >= 0 for place in self._pixels.cameras):
            raise ValueError("cameras of the model cannot be turned or moved; free ones can.")
        self.drawn = drawn
        # The environment's own model, so that no other environment sees its light.
        model = env.unwrapped.model
        self._cameras = [(c.azimuth, c.elevation, c.lookat.copy()) for c in self._pixels.cameras]
        self._view = float(model.vis.global_.fovy)
        self._lit = {name: getattr(model, name).copy() for name in ("light_ambient", "light_diffuse", "light_specular")}
        head = model.vis.headlight
        self._head = {name: getattr(head, name).copy() for name in ("ambient", "diffuse", "specular")}
        self._colours = {name: getattr(model, name).copy() for name in ("geom_rgba", "mat_rgba")}
        self._hidden: tuple[slice, slice] | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Change the scene, then reset: the first frame shows it, too."""
        if seed is not None:
            self.generator = np.random.default_rng([seed, self._stream])
        # Always the same number of draws, so that one factor's amount does not decide another's direction.
        share = self.generator.random(len(self.limits)) if self.drawn else np.ones(len(self.limits))
        amount = {name: limit * part for (name, limit), part in zip(self.limits.items(), share, strict=True)}
        turn, way = 2 * np.pi * self.generator.random(2)
        wider, brighter = self.generator.choice([-1.0, 1.0], 2)
        self._place_cameras(amount, turn, way)
        self.env.unwrapped.model.vis.global_.fovy = self._view * (1 + wider * amount["zoom"])
        self._light(1 + brighter * amount["light"])
        self._colour(amount["color"])
        self._hidden = self._square(amount["occlusion"])
        observation, info = self.env.reset(seed=seed, options=options)
        return self._covered(observation), info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step and look."""
        observation, *rest = self.env.step(action)
        return self._covered(observation), *rest

    def _place_cameras(self, amount: dict[str, float], turn: float, way: float) -> None:
        for camera, (azimuth, elevation, lookat) in zip(self._pixels.cameras, self._cameras, strict=True):
            camera.azimuth = azimuth + amount["camera"] * np.cos(turn)
            camera.elevation = elevation + amount["camera"] * np.sin(turn)
            camera.lookat[:] = lookat + amount["move"] * np.array([np.cos(way), np.sin(way), 0.0])

    def _light(self, factor: float) -> None:
        model = self.env.unwrapped.model
        for name, nominal in self._lit.items():
            getattr(model, name)[:] = np.clip(factor * nominal, 0, 1)
        for name, nominal in self._head.items():
            getattr(model.vis.headlight, name)[:] = np.clip(factor * nominal, 0, 1)

    def _colour(self, most: float) -> None:
        model = self.env.unwrapped.model
        for name, nominal in self._colours.items():
            shift = most * self.generator.uniform(-1, 1, (len(nominal), 3))
            getattr(model, name)[:, :3] = np.clip(nominal[:, :3] + shift, 0, 1)

    def _square(self, share: float) -> tuple[slice, slice] | None:
        size = self._pixels.size
        # a² = share · size²
        side = round(np.sqrt(share) * size)
        top, left = self.generator.integers(0, size - side + 1, 2)
        return (slice(top, top + side), slice(left, left + side)) if side else None

    def _covered(self, observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if self._hidden is None:
            return observation
        pixels = observation["pixels"].copy()
        pixels[:, *self._hidden] = GREY
        return observation | {"pixels": pixels}
