"""A checkpoint holds the model and nothing of this machine; what is read back is what was written."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch

from agents import archive
from agents.build import build
from agents.checkpoint import pack, read_state, read_tensors, restore, weights_sha256, zip_path
from agents.networks import stock_space
from common.errors import UserError
from common.files import meta_path
from configs.recipes import resolve
from configs.train_config import TrainConfig
from envs.make import register
from envs.vector import make_vec_env
from tests.contract import tiny
from tests.contract.runs import equal


@pytest.fixture
def learner() -> Iterator[Any]:
    """`learner("sac", seed=1)` builds a model on the tiny task."""
    register()
    tiny.register()
    opened = []

    def make(algo: str, **known: Any) -> Any:
        env = make_vec_env("TinyReach-v0", 2, "dummy")
        opened.append(env)
        config = TrainConfig(
            algo=algo, env="TinyReach-v0", net_arch=(8,), n_envs=2, backend="sb3", **({"seed": 0} | known)
        )  # fmt: skip
        settings = resolve(config, tiny.LENGTH).settings
        if "buffer_size" in settings:
            settings |= {"buffer_size": 200, "learning_starts": 20}
        return build(settings | {"batch_size": 10} | ({"n_steps": 10} if algo == "ppo" else {}), env, "cpu")

    yield make
    for env in opened:
        env.close()


@pytest.mark.parametrize("algo", ["sac", "td3", "ppo"])
def test_what_was_packed_is_restored(tmp_path: Path, learner: Any, algo: str) -> None:
    model, other = learner(algo), learner(algo, seed=1)
    model.learn(60)
    path = tmp_path / "a.zip"
    path.write_bytes(pack(model, {"steps": 60}))
    assert weights_sha256(model.policy) != weights_sha256(other.policy)
    restore(other, path)
    assert weights_sha256(model.policy) == weights_sha256(other.policy)
    assert read_state(path) == {"steps": 60}
    names, variables = model._get_torch_save_params()
    for name in names:
        assert equal(part(model, name).state_dict(), part(other, name).state_dict())
    for name in variables:
        assert torch.equal(getattr(model, name), getattr(other, name))
    # The optimiser of the entropy coefficient still moves the coefficient.
    if algo == "sac":
        assert other.ent_coef_optimizer.param_groups[0]["params"][0] is other.log_ent_coef


def part(model: Any, name: str) -> Any:
    """`policy.optimizer` of a model, and the like."""
    for attribute in name.split("."):
        model = getattr(model, attribute)
    return model


def test_nothing_of_this_machine_is_inside(learner: Any, tmp_path: Path) -> None:
    model = learner("ppo")
    model.tensorboard_log = str(tmp_path)
    model.learn(20)
    data = pack(model, {})
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {"data", "policy.pth", "policy.optimizer.pth", "run_state.json"} <= set(archive.namelist())
        members = json.loads(archive.read("data"))
    for name in ("_last_obs", "ep_info_buffer", "env", "tensorboard_log"):
        assert name not in members
    assert str(tmp_path).encode() not in data and str(Path.home()).encode() + b"/" not in data


def test_the_hash_sees_every_bit(learner: Any) -> None:
    model = learner("sac")
    before = weights_sha256(model.policy)
    assert weights_sha256(model.policy) == before
    for parameter in list(model.policy.parameters())[:3]:
        with torch.no_grad():
            first = parameter.view(-1)[:1]
            old = first.clone()
            first.copy_(torch.nextafter(old, old + 1))
            assert weights_sha256(model.policy) != before
            first.copy_(old)
    assert weights_sha256(model.policy) == before


def test_no_nan_in_the_state(learner: Any) -> None:
    with pytest.raises(ValueError):
        pack(learner("ppo"), {"training_s": float("nan")})


def test_names() -> None:
    assert zip_path("a") == zip_path("a.zip") == Path("a.zip")
    assert zip_path("v1.2") == Path("v1.2.zip")
    assert meta_path(Path("x/v1.2.zip")) == Path("x/v1.2.meta.json")


@pytest.mark.parametrize("data", [b"", b"PK", b"\x80\x04N.", b"x" * 1000], ids=["empty", "short", "none", "text"])
def test_what_holds_no_tensors(data: bytes) -> None:
    with pytest.raises(UserError, match="the member does not hold plain weights"):
        read_tensors(data, "the member")


def test_inputs_stand_in_the_order_of_the_tasks_own_keys() -> None:
    """Gymnasium sorts the keys of a plain dictionary; networks trained on another order would be fed the wrong ones."""
    box = gym.spaces.Box(-1.0, 1.0, (2,))
    space = gym.spaces.Dict(observation=box, achieved_goal=box, desired_goal=box)
    assert list(space.spaces) == ["observation", "achieved_goal", "desired_goal"]
    assert list(stock_space(space).spaces) == list(space.spaces) and stock_space(space) == space


def test_a_file_that_may_not_be_read_is_not_called_truncated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def shut(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.zip").write_bytes(b"")
    # Root may read everything, so the refusal is played.
    monkeypatch.setattr(archive, "open", shut, raising=False)
    with pytest.raises(UserError, match="a.zip cannot be read: Permission denied"):
        archive.read_members(tmp_path / "a.zip")
