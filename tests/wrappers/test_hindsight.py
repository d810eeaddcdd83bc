"""Rewards of other goals go through the wrappers, whoever computes them; a mirror image must fit the spaces."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import agents.off_policy
import tests.seams.my_wrappers  # noqa: F401
from agents.device_replay import DeviceReplay
from agents.replay import EpisodeReplay
from common.errors import UserError
from configs.train_config import TrainConfig
from envs.make import make_env
from envs.task import Task
from train import prepare, resolved_for
from wrappers.hindsight import check_relabelling
from wrappers.registry import register

SMALL = {"algo": "sac", "her": True, "total_steps": 200, "n_envs": 2, "learning_starts": 100, "batch_size": 200,
         "net_arch": (8,), "eval_every": 0, "track": "none", "device": "cpu", "gradient_steps": 1}  # fmt: skip


@register("quadratic")
class Quadratic(gym.Wrapper):
    """Minus the squared distance, which it can compute of other goals too."""

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> np.ndarray:
        return -np.square(achieved - desired).sum(-1).astype(np.float32)

    def step(self, action: Any) -> Any:
        seen, _, *rest = self.env.step(action)
        return seen, float(self.compute_reward(seen["achieved_goal"], seen["desired_goal"], {})), *rest


@register("tensor_quadratic")
class TensorQuadratic(Quadratic):
    """The same, which a GPU can compute too."""

    def tensor_reward(self) -> Any:
        return lambda achieved, desired: -(achieved - desired).square().sum(-1)


@register("only_step")
class OnlyStep(gym.Wrapper):
    """Changes the reward of a step, and nothing else."""

    def step(self, action: Any) -> Any:
        seen, reward, *rest = self.env.step(action)
        return seen, reward - 0.1, *rest


@register("longer")
class Longer(gym.ObservationWrapper):
    """One more number in the observation."""

    def __init__(self, env: gym.Env):
        super().__init__(env)
        parts = env.observation_space.spaces
        size = parts["observation"].shape[0] + 1
        box = gym.spaces.Box(-np.inf, np.inf, (size,), parts["observation"].dtype)
        self.observation_space = gym.spaces.Dict(parts | {"observation": box})

    def observation(self, observation: Any) -> Any:
        return observation | {"observation": np.append(observation["observation"], 0.0)}


def rewards(tmp_path: Path, wrap: tuple[str, ...], backend: str = "fast") -> tuple[Any, np.ndarray, np.ndarray]:
    """(the replay, rewards of a batch after two episodes, the distances they are for)."""
    config = TrainConfig(env="FetchReach-v4", wrap=wrap, backend=backend, out=str(tmp_path / "a"), **SMALL)
    this = prepare(resolved_for(config))
    with contextlib.closing(this.env):
        this.model.learn(100)
        if backend == "sb3":
            batch = this.model.replay_buffer.sample(200)
            goals = [batch.next_observations[key].numpy() for key in ("achieved_goal", "desired_goal")]
            found = batch.rewards.numpy()[:, 0]
        else:
            batch = this.model.replay_buffer.sample(200, np.random.default_rng(0))
            goals = [batch.next_x[:, :3], batch.next_x[:, 3:6]]
            found = batch.rewards
    return this.model.replay_buffer, found, np.linalg.norm(goals[0] - goals[1], axis=-1)


def on_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents.off_policy, "replay_on_device", lambda device: True)


@pytest.mark.parametrize("path", ["fast", "device", "sb3"])
@pytest.mark.parametrize(
    ("wrap", "expected"),
    [
        ((), lambda d: -1.0 * (d > 0.05)), (("price:amount=16.3",), lambda d: -1.0 * (d > 0.05) - 16.3),
        (("quadratic",), lambda d: -(d**2)), (("tensor_quadratic",), lambda d: -(d**2)),
        (("quadratic", "price:amount=2"), lambda d: -(d**2) - 2), (("price", "quadratic"), lambda d: -(d**2)),
        (("lowpass",), lambda d: -1.0 * (d > 0.05)),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)  # fmt: skip
def test_every_path_gives_the_wrapped_reward(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, wrap: tuple[str, ...], expected: Any
) -> None:
    if path == "device":
        on_device(monkeypatch)
    replay, found, distances = rewards(tmp_path, wrap, "sb3" if path == "sb3" else "fast")
    # Four fifths of the batch are relabelled; where a distance is near the threshold float32 may fall to either side.
    sure = abs(distances - 0.05) > 1e-5
    np.testing.assert_allclose(found[sure], expected(distances)[sure], atol=1e-5)
    assert (distances < 0.05).mean() > 0.1
    if path == "device":
        tensors = wrap in ((), ("tensor_quadratic",), ("lowpass",))
        assert type(replay) is (DeviceReplay if tensors else EpisodeReplay)


def test_a_reward_that_hindsight_would_miss_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a wrapper changes the reward of a step .-1 to -1.1. .* compute_reward"):
        rewards(tmp_path, ("only_step",))
    for wrappers in ((), ("price",), ("quadratic",), ("obs_noise:std=0.1", "lowpass"), ("delay",)):
        with contextlib.closing(Task("FetchReachDense-v4", wrappers).make()) as env:
            check_relabelling(env, 60)


@pytest.mark.parametrize("kind", ["threads", "dummy"])
def test_a_mirror_needs_the_tasks_own_spaces(tmp_path: Path, kind: str) -> None:
    config = TrainConfig(env="FetchReach-v4", out=str(tmp_path / "a"), mirror=True, vec_env=kind, **SMALL)
    for wrap, fits in ((("lowpass", "obs_noise"), True), (("longer",), False)):
        resolved = resolved_for(TrainConfig(**vars(config) | {"wrap": wrap}))
        if fits:
            this = prepare(resolved)
            assert this.model.replay_buffer.reflection is not None
            this.env.close()
        else:
            with pytest.raises(UserError, match="--mirror True does not fit: a wrapper changes the observation space"):
                prepare(resolved)


def test_a_plain_task_is_asked_itself() -> None:
    with contextlib.closing(make_env("FetchReach-v4")) as env:
        reward = env.get_wrapper_attr("tensor_reward")()
        assert float(reward(torch.zeros(3), torch.ones(3))) == -1
