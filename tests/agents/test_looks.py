"""What a policy looks at: points lie where maps are high, and only what the policy reads has influence."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

from agents.build import build_policy
from agents.encoders.spatial_softmax import SpatialSoftmax
from agents.looks import STRIDE, WINDOW, grid_of, influence, points

SPACE = gym.spaces.Dict(
    {"pixels": gym.spaces.Box(0, 255, (3, 64, 64), np.uint8), "observation": gym.spaces.Box(-1, 1, (10,), np.float32)}
)


class Shown(gym.Env):
    observation_space, action_space = SPACE, gym.spaces.Box(-1, 1, (4,), np.float32)


def policy(encoder: str) -> Any:
    torch.manual_seed(0)
    built = build_policy({"algo": "sac", "encoder": encoder, "net_arch": [32]}, Shown(), "cpu")
    built.set_training_mode(False)
    return built


@pytest.fixture
def observation() -> dict[str, np.ndarray]:
    shown = {"pixels": np.full((3, 64, 64), 90, np.uint8), "observation": np.zeros(10, np.float32)}
    shown["pixels"][:, 40:46, 20:26] = 250
    return shown


def test_a_point_is_where_its_map_is_high(observation: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    built = policy("spatial")
    softmax = next(m for m in built.modules() if isinstance(m, SpatialSoftmax))
    # Map 0 is high in one place only, three quarters to the right and a quarter down; the others are flat.
    maps = torch.zeros(1, 32, len(softmax.y), len(softmax.x))
    row, column = round(0.25 * (len(softmax.y) - 1)), round(0.75 * (len(softmax.x) - 1))
    maps[0, 0, row, column] = 50.0
    softmax.register_forward_pre_hook(lambda module, inputs: (maps,))
    places, spread = points(built, observation)
    assert places.shape == (32, 2) and spread.shape == (32,)
    # Four 3×3 kernels with strides 2, 2, 1, 1: an output sees 23 pixels, and the next one the same 4 pixels on.
    expected = [11 + 4 * column, 11 + 4 * row]
    assert places[0] == pytest.approx(expected, abs=0.01) and spread[0] < 0.1
    assert places[1] == pytest.approx([31, 31], abs=0.01) and spread[1] > 15
    assert points(policy("manipulation"), observation) is None


def test_the_middle_of_what_an_output_sees_is_where_its_gradient_lies() -> None:
    convolutions = policy("spatial").actor.features_extractor.look[0]
    image = torch.rand(1, 3, 64, 64, requires_grad=True)
    convolutions.eval()(image)[0, :, 2, 7].sum().backward()
    rows, columns = (np.flatnonzero(image.grad[0].abs().sum((0, axis)).numpy()) for axis in (2, 1))
    first, step = grid_of(convolutions)
    assert (rows[0] + rows[-1]) / 2 == first + 2 * step and (columns[0] + columns[-1]) / 2 == first + 7 * step


def test_influence_is_where_something_is_seen(observation: dict[str, np.ndarray]) -> None:
    assert not influence(policy("blind"), observation).any()
    change = influence(policy("manipulation"), observation)
    n = len(range(0, 64 - WINDOW + 1, STRIDE))
    assert change.shape == (n, n) and 0 < change.max() <= 2
    # A picture of one colour, covered with its own mean: nothing changes.
    flat = observation | {"pixels": np.full((3, 64, 64), 90, np.uint8)}
    assert influence(policy("manipulation"), flat).max() < 1e-6
