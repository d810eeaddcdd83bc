"""Building a learner: nothing given is lost, and nothing is left behind."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from typing import Any

import pytest

from agents.build import BACKENDS, build, build_fast
from agents.fast_sac import FastSAC
from configs.recipes import resolve
from configs.train_config import TrainConfig
from envs.vector import make_vec_env
from tests.contract import tiny


def settings_of(algo: str, backend: str) -> dict[str, Any]:
    tiny.register()
    her = None if algo == "ppo" else {"her": True, "learning_starts": 20, "gradient_steps": 1, "buffer_size": 200}
    config = TrainConfig(algo=algo, env="TinyReach-v0", backend=backend, n_envs=2, net_arch=(4,), batch_size=4,
                         device="cpu", **her or {"n_steps": 10})  # fmt: skip
    return resolve(config, tiny.LENGTH).settings


@pytest.mark.parametrize(
    ("algo", "backend"),
    [(algo, name) for name, b in BACKENDS.items() if b.learns_from_rewards and not b.sees for algo in b.algorithms],
)
def test_learning_outside_of_a_run_leaves_no_folder(
    algo: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stable-Baselines3 makes `SB3-…` in the temporary folder for every `learn` of a model without a logger."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    settings = settings_of(algo, backend)
    with contextlib.closing(make_vec_env("TinyReach-v0", 2)) as env:
        model = build(settings, env, "cpu")
        for _ in range(2):
            model.learn(40, reset_num_timesteps=False)
    assert model._n_updates > 0 and not list(tmp_path.glob("SB3-*"))


def test_a_learner_on_vectors_is_given_what_its_builder_adds() -> None:
    class Told(FastSAC):
        """Reads one setting more."""

    with contextlib.closing(make_vec_env("TinyReach-v0", 2)) as env:
        model = build_fast(settings_of("sac", "fast"), env, "cpu", {"sac": Told}, secret=3)
    assert isinstance(model, Told) and model.fast["secret"] == 3
