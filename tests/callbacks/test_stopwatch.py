"""The stopwatch: parts exclude each other, add up to the whole, and what is slow shows."""

from __future__ import annotations

import contextlib
import time

import pytest
import torch

from agents.build import build
from agents.segments import begin_segment
from callbacks.stopwatch import Stopwatch
from configs.recipes import resolve
from configs.train_config import TrainConfig
from envs.vector import make_vec_env


@pytest.mark.parametrize("backend", ["sb3", "fast"])
def test_parts_of_a_real_loop(backend: str) -> None:
    torch.set_num_threads(1)
    settings = resolve(TrainConfig(
        algo="sac", env="FetchReach-v4", her=True, backend=backend, n_envs=2, learning_starts=100, gradient_steps=1,
        net_arch=(8,), batch_size=16, buffer_size=1000,
    )).settings  # fmt: skip
    with contextlib.closing(make_vec_env("FetchReach-v4", 2)) as env:
        model = build(settings, env, "cpu")
        begin_segment(model, 0, 0)
        model.learn(100, log_interval=None)
        sample = model.replay_buffer.sample

        def slow(*arguments: object, **options: object) -> object:
            time.sleep(0.01)
            return sample(*arguments, **options)

        model.replay_buffer.sample = slow
        began, watch = time.perf_counter(), Stopwatch(model)
        model.learn(100, log_interval=None, reset_num_timesteps=False)
        parts, whole = watch.parts(), time.perf_counter() - began
    assert list(parts) == ["simulate", "act", "store", "sample", "update", "rest"]
    assert all(seconds >= 0 for seconds in parts.values())
    assert sum(parts.values()) == pytest.approx(whole, abs=0.02)
    # 50 rounds of one update, each of which draws one batch.
    assert parts["sample"] > 0.4
    assert parts["simulate"] > 0.01 and parts["update"] > 0.001
