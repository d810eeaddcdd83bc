"""Segments are whole episodes and whole rollouts, each with a seed of its own that no evaluation uses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.segments import segment_lengths, segment_seed
from callbacks.evaluation import FIRST_SEED
from common.errors import UserError


def off_policy(**known: Any) -> dict[str, Any]:
    return {
        "algo": "sac", "n_envs": 4, "total_steps": 10_000, "checkpoint_every": 1_000, "train_freq": 1,
        "buffer_size": 100_000,
    } | known  # fmt: skip


@given(
    n_envs=st.integers(1, 9), total=st.integers(1, 5_000), every=st.integers(1, 5_000), freq=st.integers(1, 30),
    episode=st.integers(1, 60), size=st.integers(1, 20_000),
)  # fmt: skip
def test_whole_episodes_that_do_not_overtake_each_other(
    n_envs: int, total: int, every: int, freq: int, episode: int, size: int
) -> None:
    settings = off_policy(
        n_envs=n_envs, total_steps=total, checkpoint_every=every, train_freq=freq, buffer_size=size
    )  # fmt: skip
    try:
        steps, segment = segment_lengths(settings, episode)
    except UserError as error:
        # Not even one segment fits.
        assert "--buffer-size" in str(error)
        return
    assert steps >= total and segment > 0
    for length in (steps, segment):
        assert length % (episode * n_envs) == 0 and length % (freq * n_envs) == 0
    # A whole turn of the ring would look like no progress at all.
    assert segment // n_envs < size // n_envs


def test_whole_rollouts() -> None:
    settings = {"algo": "ppo", "n_envs": 4, "total_steps": 10_001, "checkpoint_every": 5_000, "n_steps": 512}
    assert segment_lengths(settings, 50) == (5 * 2048, 2 * 2048)


def test_a_task_without_a_time_limit() -> None:
    assert segment_lengths(off_policy(), None) == (10_000, 1_000)


def test_a_segment_longer_than_the_run() -> None:
    # As long as the ring allows: one unit of four episodes less than all of it.
    assert segment_lengths(off_policy(checkpoint_every=10**6, total_steps=400), 50) == (400, 99_800)


def test_a_buffer_without_room_for_an_episode() -> None:
    with pytest.raises(UserError, match="--buffer-size 150 .* 200 .* 204 "):
        segment_lengths(off_policy(buffer_size=150), 50)
    # An episode of each of four environments fits, seven times fifty steps of each do not.
    with pytest.raises(UserError, match="--buffer-size 1000 .* 1,400 .* --train-freq 7, .* 1,404 "):
        segment_lengths(off_policy(buffer_size=1000, train_freq=7), 50)


def test_seeds_of_segments() -> None:
    seeds = {segment_seed(seed, segment) for seed in range(20) for segment in range(200)}
    assert len(seeds) == 20 * 200
    # Reports use small seeds, evaluations during training those from FIRST_SEED on; environments add their index.
    assert min(seeds) >= 2**20 and max(seeds) + 1000 < FIRST_SEED
    # The same in every process and on every machine.
    assert segment_seed(0, 0) == segment_seed(0, 0) != segment_seed(0, 1) != segment_seed(1, 0)
