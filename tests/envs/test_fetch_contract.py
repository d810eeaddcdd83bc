"""What every Fetch v4 task promises to a learner and to a report, on random episodes of all eight ids."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from common.errors import UserError
from envs.make import FETCH_IDS, TASKS, episode_length, is_goal_conditioned, make_env, register
from envs.vector import make_vec_env

LENGTH = 50
few = settings(max_examples=3, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**31 - 1)
# Actions below, at and above the bounds of -1 and 1.
SCALES = st.sampled_from([0.3, 1.0, 2.5])
# Points of the order of the table, with distances from far above to far below the threshold.
POINTS = npst.arrays(np.float64, (7, 3), elements=st.floats(-2, 2, width=64))
OFFSETS = npst.arrays(np.float64, (7, 3), elements=st.floats(-0.06, 0.06, width=64))
on_every_id = pytest.mark.parametrize("env_id", FETCH_IDS)


ENVS: dict[str, gym.Env] = {}


def cached(env_id: str) -> gym.Env:
    """One environment an id: making it costs as much as several episodes."""
    if env_id not in ENVS:
        ENVS[env_id] = make_env(env_id)
    return ENVS[env_id]


@pytest.fixture(scope="module", autouse=True)
def close_all() -> Iterator[None]:
    """Close what the tests of this file made, at their end."""
    yield
    while ENVS:
        ENVS.popitem()[1].close()


@dataclass
class Episode:
    """What `reset` and every `step` returned: T + 1 observations, T of the rest."""

    actions: np.ndarray
    observations: list[dict[str, np.ndarray]]
    rewards: list[Any]
    terminated: list[bool]
    truncated: list[bool]
    infos: list[dict[str, Any]]
    applied: list[np.ndarray]


def actions_for(seed: int, scale: float) -> np.ndarray:
    """(LENGTH, 4) float32 uniform in [-scale, scale]."""
    return np.random.default_rng([seed, 2]).uniform(-scale, scale, (LENGTH, 4)).astype(np.float32)


def play(env: gym.Env, seed: int, actions: np.ndarray) -> Episode:
    """An episode from `reset(seed)`, for as long as there are actions."""
    episode = Episode(actions, [env.reset(seed=seed)[0]], [], [], [], [], [])
    for action in actions:
        observation, reward, terminated, truncated, info = env.step(action)
        episode.observations.append(observation)
        episode.rewards.append(reward)
        episode.terminated.append(terminated)
        episode.truncated.append(truncated)
        episode.infos.append(info)
        if isinstance(env, gym.Wrapper) and env.has_wrapper_attr("applied_action"):
            episode.applied.append(env.get_wrapper_attr("applied_action"))
    return episode


def same_bits(a: Any, b: Any) -> bool:
    """Equal type and equal bytes: tells -0.0 from 0.0 and float32 from float64."""
    a, b = np.asarray(a), np.asarray(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def stacked(episode: Episode, key: str) -> np.ndarray:
    """(T, 3) of what is seen after each step."""
    return np.stack([o[key] for o in episode.observations[1:]])


@on_every_id
@few
@given(seed=SEEDS, scale=SCALES)
def test_recomputed_rewards_equal_stepped_ones(env_id: str, seed: int, scale: float) -> None:
    """One at a time, all at once, and in a (T / 5, 5) block: relabelling does the second, bit for bit the first."""
    env = cached(env_id)
    episode = play(env, seed, actions_for(seed, scale))
    judge = env.unwrapped.compute_reward
    achieved, desired = stacked(episode, "achieved_goal"), stacked(episode, "desired_goal")
    for t in range(LENGTH):
        again = judge(achieved[t], desired[t], episode.infos[t])
        assert same_bits(again, episode.rewards[t]), f"step {t}: {again!r} and {episode.rewards[t]!r}"
    together = judge(achieved, desired, episode.infos)
    assert same_bits(together, np.stack(episode.rewards))
    block = judge(achieved.reshape(10, 5, 3), desired.reshape(10, 5, 3), {})
    assert same_bits(block.ravel(), together)


@on_every_id
@few
@given(points=POINTS, offsets=OFFSETS)
def test_rewards_of_any_goals(env_id: str, points: np.ndarray, offsets: np.ndarray) -> None:
    """Around the threshold too, where random episodes seldom are: sparse is -1 beyond it, dense minus the distance."""
    base = cached(env_id).unwrapped
    goals = points + offsets
    rewards = base.compute_reward(points, goals, {})
    for point, goal, reward in zip(points, goals, rewards, strict=True):
        assert same_bits(base.compute_reward(point, goal, {}), reward)
        distance = np.linalg.norm(point - goal, axis=-1)
        expected = -distance if "Dense" in env_id else (-1.0 if distance > base.distance_threshold else 0.0)
        assert reward == expected


@on_every_id
@few
@given(seed=SEEDS, scale=SCALES)
def test_own_goal_gives_zero(env_id: str, seed: int, scale: float) -> None:
    """What was achieved, asked for in hindsight, is achieved. (Sparse zero is -0.0, which equals 0.)"""
    env = cached(env_id)
    achieved = stacked(play(env, seed, actions_for(seed, scale)[:5]), "achieved_goal")
    assert np.all(env.unwrapped.compute_reward(achieved, achieved.copy(), {}) == 0)
    assert env.unwrapped.compute_reward(achieved[0], achieved[0].copy(), {}) == 0


@on_every_id
@few
@given(seed=SEEDS, scale=SCALES)
def test_success_is_the_distance_below_the_threshold(env_id: str, seed: int, scale: float) -> None:
    env = cached(env_id)
    episode = play(env, seed, actions_for(seed, scale))
    distances = np.linalg.norm(stacked(episode, "achieved_goal") - stacked(episode, "desired_goal"), axis=1)
    successes = np.array([info["is_success"] for info in episode.infos])
    assert np.array_equal(successes, distances < env.unwrapped.distance_threshold)
    if "Dense" not in env_id:
        assert np.array_equal(successes, np.array(episode.rewards) == 0)


@on_every_id
@few
@given(seed=SEEDS, scale=SCALES)
def test_time_ends_an_episode_as_truncation(env_id: str, seed: int, scale: float) -> None:
    assert episode_length(env_id) == LENGTH
    episode = play(cached(env_id), seed, actions_for(seed, scale))
    assert episode.truncated == [False] * (LENGTH - 1) + [True]
    assert not any(episode.terminated)


@on_every_id
def test_success_does_not_end_an_episode(env_id: str) -> None:
    """The goal is put where the gripper or the block already is; all steps succeed, and the time limit ends it."""
    env = cached(env_id)
    observation, _ = env.reset(seed=0)
    env.unwrapped.goal = observation["achieved_goal"].copy()
    ends = []
    for _ in range(LENGTH):
        observation, _, terminated, truncated, info = env.step(np.zeros(4, np.float32))
        assert info["is_success"] and np.array_equal(observation["desired_goal"], env.unwrapped.goal)
        ends.append((terminated, truncated))
    assert ends == [(False, False)] * (LENGTH - 1) + [(False, True)]


@on_every_id
@settings(few, max_examples=2)
@given(seed=SEEDS, scale=SCALES)
def test_dictionaries_are_upstreams(env_id: str, seed: int, scale: float) -> None:
    """`make_env` adds nothing to, and takes nothing from, what `gymnasium.make` gives: keys, types, values."""
    register()
    upstream = gym.make(env_id, disable_env_checker=True)
    actions = actions_for(seed, scale)
    ours, theirs = play(cached(env_id), seed, actions), play(upstream, seed, actions)
    upstream.close()
    for a, b in zip(ours.observations, theirs.observations, strict=True):
        assert list(a) == list(b) and all(same_bits(a[key], b[key]) for key in b)
    assert all(same_bits(a, b) for a, b in zip(ours.rewards, theirs.rewards, strict=True))
    assert [sorted(info) for info in ours.infos] == [sorted(info) for info in theirs.infos]
    assert (ours.terminated, ours.truncated) == (theirs.terminated, theirs.truncated)


@on_every_id
@few
@given(seed=SEEDS, scale=SCALES)
def test_observations_fit_the_declared_space(env_id: str, seed: int, scale: float) -> None:
    env = cached(env_id)
    assert is_goal_conditioned(env)
    episode = play(env, seed, actions_for(seed, scale))
    goal = episode.observations[0]["desired_goal"]
    for observation in episode.observations:
        assert env.observation_space.contains(observation)
        assert np.array_equal(observation["desired_goal"], goal), "the goal moved within an episode"
        assert all(np.isfinite(value).all() for value in observation.values())


@on_every_id
def test_observations_are_not_overwritten_later(env_id: str) -> None:
    """A replay buffer that keeps what it was given must not see it change with the next step."""
    env = cached(env_id)
    first, _ = env.reset(seed=1)
    kept = {key: value.copy() for key, value in first.items()}
    second = env.step(np.ones(4, np.float32))[0]
    kept_second = {key: value.copy() for key, value in second.items()}
    env.step(-np.ones(4, np.float32))
    env.reset(seed=2)
    assert all(same_bits(first[key], kept[key]) and same_bits(second[key], kept_second[key]) for key in kept)


@on_every_id
@few
@given(seed=SEEDS, scale=SCALES)
def test_recorded_action_is_the_clipped_one(env_id: str, seed: int, scale: float) -> None:
    """And that is the one which acted: clipping beforehand changes nothing. The caller's array stays as it was."""
    env = cached(env_id)
    actions = actions_for(seed, scale)
    before = actions.copy()
    episode = play(env, seed, actions)
    clipped = np.clip(before, -1, 1)
    assert np.array_equal(actions, before)
    assert np.array_equal(np.stack(episode.applied), clipped)
    again = play(env, seed, clipped)
    assert all(
        same_bits(a["observation"], b["observation"])
        for a, b in zip(episode.observations, again.observations, strict=True)
    )
    env.reset(seed=seed)
    assert env.get_wrapper_attr("applied_action") is None


@on_every_id
@few
@given(seed=SEEDS, other=SEEDS, steps=st.integers(1, LENGTH))
def test_reset_with_a_seed_forgets_what_ran_before(env_id: str, seed: int, other: int, steps: int) -> None:
    """Whatever the robot did to the block before, and wherever that episode was cut."""
    env = cached(env_id)
    actions = actions_for(seed, 1.0)
    fresh = make_env(env_id)
    expected = play(fresh, seed, actions)
    fresh.close()
    play(env, other, actions_for(other, 1.0)[:steps])
    env.reset()
    got = play(env, seed, actions)
    for a, b in zip(got.observations, expected.observations, strict=True):
        assert all(same_bits(a[key], b[key]) for key in b)


@on_every_id
def test_other_seeds_give_other_goals(env_id: str) -> None:
    goals = {tuple(cached(env_id).reset(seed=seed)[0]["desired_goal"]) for seed in range(10)}
    assert len(goals) == 10


@pytest.mark.parametrize("name", [f"{task}{reward}" for task in TASKS for reward in ("", "Dense")])
@pytest.mark.parametrize("version", ["v3", "v1"])
def test_older_versions_are_refused_with_the_way_out(name: str, version: str) -> None:
    register()
    for call in (make_env, episode_length, lambda env_id: make_vec_env(env_id, 1)):
        with pytest.raises(UserError, match=rf"only v4 .* use {name}-v4\.$") as error:
            call(f"{name}-{version}")
        assert "\n" not in str(error.value)
