"""The room that a run asks for before it begins is what its replay then writes, images included."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv
from stable_baselines3.her import HerReplayBuffer

from agents.replay import EpisodeReplay
from agents.replay_protocol import disk_bytes, durable
from common.errors import UserError
from configs.train_config import TrainConfig
from persistence.replay_log import prune, save_since
from train import run

VECTOR = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
IMAGE = gym.spaces.Box(0, 255, (3, 40, 40), np.uint8)
T, N_ENVS, STEPS = 10, 3, 240


class Looking(gym.Env):
    """Episodes of T steps with an image beside the goals; no reward but the goal's."""

    observation_space = gym.spaces.Dict({"observation": VECTOR, "achieved_goal": VECTOR, "desired_goal": VECTOR,
                                         "image": IMAGE})  # fmt: skip
    action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, render_mode: str | None = None):
        self.render_mode = render_mode

    def look(self) -> dict[str, np.ndarray]:
        here = self.np_random.normal(size=2).astype(np.float32)
        image = self.np_random.integers(0, 256, IMAGE.shape, np.uint8)
        return {"observation": here, "achieved_goal": here, "desired_goal": np.zeros(2, np.float32), "image": image}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        return self.look(), {}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        return self.look(), -1.0, False, False, {}

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> np.ndarray:
        return -np.ones(np.shape(achieved_goal)[:-1], np.float32)


gym.register("Looking-v0", entry_point=Looking, max_episode_steps=T)


def filled(kind: str, capacity: int, folder: Path) -> Any:
    """A replay of `capacity` transitions after `STEPS` random ones, saved and pruned after every 30, as a run does."""
    space, env = Looking.observation_space, DummyVecEnv([lambda: gym.make("Looking-v0")] * N_ENVS)
    if kind == "stock":
        buffer = HerReplayBuffer(capacity, space, Looking.action_space, env, n_envs=N_ENVS)
    else:
        buffer = EpisodeReplay(capacity, T, space, 1, N_ENVS, Looking().compute_reward)
    model = SimpleNamespace(replay_buffer=buffer)
    replay, saved, entries, now = durable(model), 0, [], env.reset()
    for number in range(1, STEPS // N_ENVS + 1):
        actions = np.zeros((N_ENVS, 1), np.float32)
        after, rewards, dones, infos = env.step(actions)
        if kind == "stock":
            buffer.add(now, after, actions, rewards, dones, infos)
        else:
            flat, rest = buffer.flat, buffer.rest
            buffer.add(flat(now), flat(after), actions, rewards, dones, np.zeros(N_ENVS), rest(now), rest(after))
        now = after
        if number % T == 0:
            entries.append(save_since(folder / f"{number:06d}.npz", replay, saved))
            saved = replay.position()
            prune(folder, replay, entries)
    return model


@pytest.mark.parametrize("capacity", [1_000, 90], ids=["with room", "a ring that has turned"])
@pytest.mark.parametrize("kind", ["stock", "ours"])
def test_what_is_written_takes_the_room_that_was_asked_for(kind: str, capacity: int, tmp_path: Path) -> None:
    asked = disk_bytes(filled(kind, capacity, tmp_path), STEPS)
    assert asked > np.prod(IMAGE.shape) * min(STEPS, capacity), "images are left out"
    # Names and shapes of the arrays take some hundred bytes each.
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == pytest.approx(asked, rel=0.06)


def test_a_policy_gradient_keeps_no_replay() -> None:
    assert disk_bytes(SimpleNamespace(), 10**6) == 0


def test_a_run_with_images_needs_their_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 transitions with images are 5 to 10 MiB here; before, they counted as 0.3 MB."""
    real = os.statvfs

    def nearly_full(folder: Any) -> Any:
        status = real(folder)
        return SimpleNamespace(f_bavail=4 * 2**20 // status.f_frsize, f_frsize=status.f_frsize)

    monkeypatch.setattr(os, "statvfs", nearly_full)
    config = TrainConfig(
        algo="sac", env="Looking-v0", her=True, backend="sb3", n_envs=2, total_steps=1_000, buffer_size=1_000,
        net_arch=(4,), encoder="blind", learning_starts=100, out=str(tmp_path / "images"), track="none",
    )  # fmt: skip
    with pytest.raises(UserError, match="free and this run may need"):
        run(config)
    assert not list(tmp_path.glob("images*")), "something was left of a run that could not begin"
