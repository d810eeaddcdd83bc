"""The guard sees the first number that is none, wherever it turns up, and keeps what it saw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback

from agents.build import build
from agents.segments import begin_segment
from callbacks.nan_guard import NanGuard
from common.errors import TrainingFailure
from configs.recipes import resolve
from configs.train_config import TrainConfig
from envs.make import register
from envs.vector import make_vec_env


class Spoil(BaseCallback):
    """Calls `action(model)` before the guard looks."""

    def __init__(self, event: str, action: Callable[[Any], None]):
        super().__init__()
        self.event, self.action = event, action

    def _on_rollout_start(self) -> None:
        if self.event == "rollout" and self.num_timesteps:
            self.action(self.model)

    def _on_training_end(self) -> None:
        if self.event == "end":
            self.action(self.model)

    def _on_step(self) -> bool:
        if self.event == "step" and self.num_timesteps == 30:
            self.action(self)
        return True


def test_a_healthy_run_is_left_alone(tmp_path: Path, learn: Any) -> None:
    learn(NanGuard(tmp_path / "dump.npz"))
    assert not (tmp_path / "dump.npz").exists()


@pytest.mark.parametrize(
    ("env_id", "words", "key"),
    [
        ("TinyNanStep-v0", "observation of the environment", "observation"),
        ("TinyNanLast-v0", "observation of the environment", "observation"),
        ("TinyNanReset-v0", "observation of the environment", "observation"),
        ("TinyNanFirst-v0", "observation of the environment's reset", "last.observation"),
        ("TinyNanReward-v0", "reward", "rewards"),
    ],
)
def test_numbers_of_the_environment(tmp_path: Path, learn: Any, env_id: str, words: str, key: str) -> None:
    with pytest.raises(TrainingFailure, match=words):
        learn(NanGuard(tmp_path / "dump.npz"), env_id)
    with np.load(tmp_path / "dump.npz") as dump:
        assert not np.isfinite(dump[key]).all()
        assert dump["steps"] >= 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("event", ["rollout", "end"])
def test_losses(tmp_path: Path, learn: Any, event: str, value: float) -> None:
    spoil = Spoil(event, lambda model: model.logger.record("train/value_loss", value))
    with pytest.raises(TrainingFailure, match="train/value_loss is not finite"):
        learn([spoil, NanGuard(tmp_path / "dump.npz")])
    with np.load(tmp_path / "dump.npz") as dump:
        assert not np.isfinite(dump["train.value_loss"])


def test_weights_before_they_are_written(tmp_path: Path, learn: Any) -> None:
    def spoil(model: Any) -> None:
        with torch.no_grad():
            next(model.policy.parameters())[0] = float("nan")

    with pytest.raises(TrainingFailure, match="weight .* is not finite"):
        learn([Spoil("end", spoil), NanGuard(tmp_path / "dump.npz")])


def test_weights_of_our_own_learner(tmp_path: Path) -> None:
    """It trains outside of the policy, into which it writes only when it is asked to or done."""
    register()
    settings = resolve(TrainConfig(
        algo="sac", env="FetchReach-v4", her=True, n_envs=2, learning_starts=100, net_arch=(8,), batch_size=8,
        gradient_steps=1, buffer_size=1000,
    )).settings  # fmt: skip
    env = make_vec_env("FetchReach-v4", 2, "dummy")
    model = build(settings, env, "cpu")
    begin_segment(model, 0, 0)

    def spoil(model: Any) -> None:
        model.learner.actor.flat[0] = float("inf")

    with pytest.raises(TrainingFailure, match="weight .* is not finite"):
        model.learn(100, callback=[Spoil("end", spoil), NanGuard(tmp_path / "dump.npz")])
    env.close()


def test_actions(tmp_path: Path, learn: Any) -> None:
    guard = NanGuard(tmp_path / "dump.npz")

    def spoil(_: BaseCallback) -> None:
        guard.locals["actions"] = np.full((2, 2), np.nan)

    with pytest.raises(TrainingFailure, match="action of the policy"):
        learn([Spoil("step", spoil), guard])


def test_other_numbers_may_be_none(tmp_path: Path, learn: Any) -> None:
    # An explained variance of NaN says that all returns were equal, not that learning broke.
    spoil = Spoil("rollout", lambda model: model.logger.record("train/explained_variance", float("nan")))
    model = learn([spoil, NanGuard(tmp_path / "dump.npz")])
    assert model.num_timesteps == 80 and not (tmp_path / "dump.npz").exists()


def test_the_first_dump_stays(tmp_path: Path, learn: Any) -> None:
    guard = NanGuard(tmp_path / "dump.npz")
    with pytest.raises(TrainingFailure):
        learn(guard, "TinyNanReward-v0")
    before = (tmp_path / "dump.npz").read_bytes()
    guard.keep(later=1.0)
    assert (tmp_path / "dump.npz").read_bytes() == before


def test_nothing_to_keep_before_training(tmp_path: Path, seen: Callable[[Path], list[str]]) -> None:
    NanGuard(tmp_path / "dump.npz").keep()
    assert seen(tmp_path) == []


def test_flat_observations(tmp_path: Path, learn: Any) -> None:
    assert learn(NanGuard(tmp_path / "dump.npz"), "TinyFlat-v0").num_timesteps == 80
    assert not (tmp_path / "dump.npz").exists()
