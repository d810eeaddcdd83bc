"""Replay and updates on a device, tried without one: equal in distribution to the host's, and fit for a CUDA graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import agents.off_policy
from agents.checkpoint import load_policy
from agents.device_replay import DeviceReplay
from agents.input_map import InputMap
from agents.kernels.device import DeviceUpdates
from agents.kernels.sac import SacKernel
from agents.kernels.td3 import Td3Kernel
from agents.replay import Batch, EpisodeReplay
from analysis.metrics import episode_metrics
from configs.train_config import TrainConfig
from envs.make import make_env
from envs.reflection import Reflection, fetch_reflection
from envs.rollout import run_episodes
from tests.agents.test_replay import N_ENVS, SPACE, Spaces, T, fill
from train import run

EVERYWHERE = Reflection(
    np.array([0, 1, 2, 3]), np.full(4, -1.0, np.float32), np.zeros(4, np.float32), np.array([-1.0], np.float32)
)


def reward(achieved: torch.Tensor, desired: torch.Tensor) -> torch.Tensor:
    return -((achieved - desired).abs()[:, 0] > 0.5).float()


def both(capacity: int = 10_000, **options: Any) -> tuple[EpisodeReplay, DeviceReplay]:
    arguments = (capacity, T, SPACE, 1, N_ENVS, Spaces().compute_reward)
    return EpisodeReplay(*arguments, **options), DeviceReplay(*arguments, reward=reward, device="cpu", **options)


def table(batch: Batch) -> dict[tuple[float, ...], int]:
    """How often each transition came, as far as it differs from others in anything."""
    columns = [batch.x, batch.next_x, batch.actions, batch.rewards[:, None], batch.discounts[:, None]]
    rows, counts = np.unique(np.concatenate(columns, 1).round(4), axis=0, return_counts=True)
    return dict(zip(map(tuple, rows.tolist()), counts.tolist(), strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {"strategy": "future"}, {"strategy": "final"}, {"strategy": "episode"}, {"her_ratio": 0.0},
        {"moved_fraction": 0.5, "moved_distance": 3.5}, {"reflection": EVERYWHERE},
        {"n_steps": 3, "gamma": 0.9, "moved_fraction": 0.3, "moved_distance": 3.5, "reflection": EVERYWHERE},
    ],
    ids=lambda options: "-".join(options),
)  # fmt: skip
@pytest.mark.parametrize("wrapped", [False, True])
def test_equal_in_distribution_to_the_host(options: dict[str, Any], wrapped: bool) -> None:
    host, device = both(capacity=7 * T if wrapped else 10_000, **options)
    fill([host, device], rounds=4, lengths=[T, 2, 3])
    assert (device.added > device.episodes) == wrapped
    for buffer in (host, device):
        buffer.stored["terminated"][0, int(buffer.lengths[0]) - 1] = 1.0
    torch.manual_seed(0)
    n = 60_000
    a, b = (table(buffer.sample(n, np.random.default_rng(0))) for buffer in (host, device))
    assert a.keys() == b.keys()
    # Chi-squared of two samples; its mean is the number of cells, its deviation √(2 cells).
    chi = sum((a[key] - b[key]) ** 2 / (a[key] + b[key]) for key in a)
    assert abs(chi - len(a)) < 5 * np.sqrt(2 * len(a)), (chi, len(a))


@pytest.mark.parametrize("capacity", [20 * T, 10_000])
def test_matched_episodes_reach_the_device(capacity: int) -> None:
    """Always 256 of them, also where the ring has room for 20."""
    host, device = both(capacity, moved_fraction=1.0, match_desired_goals=True)
    fill([host, device], rounds=4)
    device.sample(1, np.random.default_rng(0))
    host.sample(1, np.random.default_rng(0))
    assert len(host.some) and np.array_equal(device.lines[1]["slots"][: len(host.some)].numpy(), host.some)


def test_the_device_is_told_again_only_where_episodes_were_added() -> None:
    _, device = both(moved_fraction=1.0)
    fill([device], rounds=1)
    device.refresh(np.random.default_rng(0))
    before = float(device.lines[0]["total"])
    assert before == len(device)
    device.lines[0]["total"].fill_(-1.0)
    device.refresh(np.random.default_rng(0))
    assert float(device.lines[0]["total"]) == -1.0, "copied again though nothing had changed"
    fill([device], rounds=1)
    device.refresh(np.random.default_rng(0))
    assert float(device.lines[0]["total"]) == len(device) > before


@pytest.mark.parametrize("match_desired_goals", [False, True])
def test_nothing_moved_yet(match_desired_goals: bool) -> None:
    _, device = both(moved_fraction=1.0, moved_distance=1e6, match_desired_goals=match_desired_goals)
    fill([device], rounds=2)
    assert len(table(device.sample(2_000, np.random.default_rng(0)))) > 50


def test_an_empty_replay_is_an_error() -> None:
    _, device = both()
    with pytest.raises(ValueError, match="no finished episode"):
        device.refresh(np.random.default_rng(0))


def test_what_is_exported_is_what_the_host_exports() -> None:
    host, device = both()
    fill([host, device], rounds=2)
    theirs, ours = host.export(1), device.export(1)
    assert theirs.keys() == ours.keys()
    for key, value in theirs.items():
        assert isinstance(ours[key], np.ndarray) and np.array_equal(ours[key], value)
    _, copy = both()
    copy.load(ours)
    assert torch.equal(copy.stored["x"][: copy.added], device.stored["x"][1 : device.added])


@pytest.mark.parametrize("dense", [False, True])
def test_the_reward_for_tensors_is_the_tasks_own(dense: bool) -> None:
    env = make_env("FetchPushDense-v4" if dense else "FetchPush-v4").unwrapped
    generator = np.random.default_rng(0)
    achieved = generator.normal(size=(4096, 3)).astype(np.float32)
    desired = (achieved + generator.uniform(-0.05, 0.05, (4096, 3))).astype(np.float32)
    theirs = env.compute_reward(achieved, desired, {})
    ours = env.tensor_reward()(torch.from_numpy(achieved), torch.from_numpy(desired)).numpy()
    assert dense or {-1.0, 0.0} == set(theirs.tolist())
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def learners(device: str) -> list[Any]:
    return [
        SacKernel(34, 4, [16, 16], 1e-3, 0.05, 0.05, (-20.0, 0.0), device),
        SacKernel(34, 4, [16, 16], 1e-3, 0.05, None, None, device),
        Td3Kernel(34, 4, [16, 16], 1e-3, 0.05, clip_targets=(-20.0, 0.0), device=device),
    ]


@pytest.mark.parametrize("which", [0, 1, 2])
def test_an_update_waits_for_no_value(which: int) -> None:
    """Tensors without values: every operation whose shape or course depends on one raises an error."""
    # PyTorch runs this one without values only where its learning rate is a number.
    library = torch.library.Library("aten", "IMPL")
    library.impl("_fused_adam_.tensor_lr", lambda *_, **__: None, "Meta")
    space = make_env("FetchPush-v4").observation_space
    replay = DeviceReplay(
        10_000, 50, space, 4, 2, None, reward=make_env("FetchPush-v4").unwrapped.tensor_reward(), device="meta",
        moved_fraction=0.5, reflection=fetch_reflection(True), n_steps=3,
    )  # fmt: skip
    input_map = InputMap(31, 3, device="meta")
    updates = DeviceUpdates(replay, input_map, learners("meta")[which], 4)
    losses: dict[str, torch.Tensor] = {}
    for _ in range(updates.learner.period):
        losses |= updates.one(256)
    assert losses["critic_loss"].shape == losses["actor_loss"].shape == ()
    assert {tensor.device.type for tensor in losses.values()} == {"meta"}
    with pytest.raises(Exception, match=r"(?i)meta"):
        float(losses["critic_loss"])


def test_a_run_with_its_replay_on_the_device_learns_reach(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents.off_policy, "replay_on_device", lambda device: True)
    made = []
    monkeypatch.setattr(DeviceUpdates, "__call__", counted(DeviceUpdates.__call__, made))
    run(TrainConfig(algo="sac", env="FetchReach-v4", her=True, total_steps=2_400, eval_every=0, n_steps=2,
                    track="none", out=str(tmp_path / "a")))  # fmt: skip
    assert sum(made) > 500
    policy, _ = load_policy(tmp_path / "a.zip", make_env("FetchReach-v4"), "FetchReach-v4", "cpu")
    episodes = [episode_metrics(t) for t in run_episodes(lambda: policy, lambda: make_env("FetchReach-v4"), range(20))]
    assert sum(e.success for e in episodes) >= 18


def counted(call: Any, counts: list[int]) -> Any:
    def counting(self: DeviceUpdates, count: int, batch: int) -> Any:
        counts.append(count)
        return call(self, count, batch)

    return counting
