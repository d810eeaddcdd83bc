"""A learner of Stable-Baselines3 on a tiny task, and its run of a few steps with one callback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback

from envs.make import register
from envs.vector import make_vec_env
from persistence.metric_log import MetricLog, open_logger
from tests.contract import tiny


@pytest.fixture
def learn(tmp_path: Path) -> Any:
    """`learn(callback, "TinyReach-v0")` trains for 40 steps of each of two environments, and gives the model."""
    register()
    tiny.register()
    opened = []

    def train(callback: BaseCallback | list[BaseCallback], env_id: str = "TinyReach-v0", **options: Any) -> PPO:
        env = make_vec_env(env_id, 2, "dummy")
        model = PPO(
            "MultiInputPolicy" if env_id != "TinyFlat-v0" else "MlpPolicy", env, n_steps=10, batch_size=20, n_epochs=1,
            policy_kwargs={"net_arch": [8]}, device="cpu", seed=0,
        )  # fmt: skip
        log = MetricLog(tmp_path / "log.jsonl", 0, lambda: 1.0, lambda: model._n_updates)
        model.set_logger(open_logger(log, None))
        opened.extend((env, log))
        model.learn(80, callback=callback, log_interval=1, **options)
        return model

    yield train
    for thing in opened:
        thing.close()


@pytest.fixture
def seen() -> Callable[[Path], list[str]]:
    """Names of the files in a folder, hidden ones too."""
    return lambda folder: sorted(path.name for path in folder.iterdir())
