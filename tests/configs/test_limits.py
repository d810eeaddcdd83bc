"""Every number that no run can use is refused before any work: too small, too large, or none at all."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest

from agents.settings import HindsightSettings
from common.errors import UserError
from common.knobs import ANY
from common.net_arch import check_net_arch
from configs.recipes import load_recipe, resolve
from configs.sweep import plan
from configs.train_config import READERS, TrainConfig

SAC = TrainConfig("sac", "FetchReach-v4", her=True)
TD3, PPO = dataclasses.replace(SAC, algo="td3"), TrainConfig("ppo", "FetchReachDense-v4")
BASE = {"target_policy_noise": TD3, "target_noise_clip": TD3, "action_noise": TD3, "policy_delay": TD3}
BASE |= dict.fromkeys(
    ("first_lessons", "lesson_every"), dataclasses.replace(SAC, backend="locating")
)  # fmt: skip
BASE["critic_steps"] = dataclasses.replace(SAC, backend="asymmetric")
BASE |= dict.fromkeys(("n_epochs", "gae_lambda", "clip_range", "vf_coef", "max_grad_norm"), PPO)
ALLOWED = {
    field.name: field.metadata["allowed"]
    for classes in (*READERS.values(), (HindsightSettings,)) for cls in classes for field in dataclasses.fields(cls)
    if field.metadata["allowed"]
}  # fmt: skip
COUNTS = {key: allowed.high for key, allowed in ALLOWED.items() if allowed.above and allowed.high < ANY}
RANGES = {key: allowed[:2] for key, allowed in ALLOWED.items() if not allowed.above}
# What was bounded when this was written.
assert len(COUNTS) >= 12 and len(RANGES) >= 18


def refused(**settings: Any) -> str:
    key = next(iter(settings))
    with pytest.raises(UserError) as caught:
        resolve(dataclasses.replace(BASE.get(key, SAC), **settings))
    text = str(caught.value)
    assert text.startswith(f"--{key.replace('_', '-')} ") and "\n" not in text and len(text) < 200
    return text


@pytest.mark.parametrize("key", [*COUNTS, "learning_rate", "max_grad_norm"])
def test_counts_and_rates_are_above_zero(key: str) -> None:
    for value in (0, -1):
        assert "must be above 0" in refused(**{key: value})


@pytest.mark.parametrize("key", COUNTS)
def test_counts_have_an_upper_bound(key: str) -> None:
    if key != "n_steps":
        assert "must be at most" in refused(**{key: COUNTS[key] + 1})
    refused(**{key: 10**40})


@pytest.mark.parametrize("key", RANGES)
def test_what_lies_outside_of_a_range(key: str) -> None:
    low, high = RANGES[key]
    refused(**{key: low - 1})
    if high < float("inf"):
        refused(**{key: high + 1})
    for value in (float("nan"), float("inf")):
        assert "a finite number" in refused(**{key: value})


def test_the_ends_of_a_range_are_allowed() -> None:
    resolve(
        dataclasses.replace(SAC, gamma=0.0, tau=1.0, ent_coef=0.0, learning_starts=0, gradient_steps=-1, n_steps=50)
    )
    resolve(dataclasses.replace(PPO, n_steps=COUNTS["n_steps"], n_envs=10, batch_size=2))


@pytest.mark.parametrize(
    ("layers", "why"),
    [
        ((), "at least one layer"), ((0, 16), "at least one unit"), ((16, -1), "at least one unit"),
        ((10**9,), "units in a layer"), ((16,) * 33, "32 layers"), ((16,) * 200_000, "32 layers"),
        ((16_384, 16_384), "weights"), ("256", "at least one layer"), ([True], "at least one unit"),
        ([16.0], "at least one unit"), (None, "at least one layer"),
    ],
)  # fmt: skip
def test_networks_that_no_memory_holds(layers: Any, why: str) -> None:
    assert why in check_net_arch(layers)
    if isinstance(layers, tuple):
        assert why in refused(net_arch=layers)


def test_returns_and_rollouts_are_bounded_by_the_task() -> None:
    assert "an episode, which has 50 steps" in refused(n_steps=100_000)
    with pytest.raises(UserError, match="a rollout holds at most"):
        resolve(dataclasses.replace(PPO, n_steps=10**6, n_envs=11))


@pytest.mark.parametrize("line", ["gamma: ~", "gamma:", "net_arch: null", "ent_coef: Null"])
def test_a_recipe_with_an_empty_value(tmp_path: Path, line: str) -> None:
    (tmp_path / "r.yaml").write_text(f"settings:\n  {line}\n")
    with pytest.raises(UserError, match="has no value"):
        load_recipe(tmp_path / "r.yaml")


def test_a_grid_is_counted_before_it_is_built() -> None:
    values = [n / 1000 for n in range(1, 151)]
    source = {
        "name": "x", "command": {"algo": "sac", "env": "FetchReach-v4"}, "seeds": "0",
        "grid": {"gamma": values, "tau": values, "learning_rate": values},
    }  # fmt: skip
    began = time.monotonic()
    with pytest.raises(UserError, match="3375000 points"):
        plan(json.loads(json.dumps(source)), Path("sweeps"))
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "folder/"])
def test_a_recipe_by_an_impossible_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="cannot read|is a folder"):
        resolve(dataclasses.replace(SAC, config=name))


@pytest.mark.parametrize("out", ["new/", "a/b/", "/", "..", "a/..", "."])
def test_a_checkpoint_needs_a_file_name(out: str) -> None:
    with pytest.raises(UserError, match="give a file name"):
        resolve(dataclasses.replace(SAC, out=out))
