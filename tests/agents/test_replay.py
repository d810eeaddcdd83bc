"""Episode replay: equal in distribution to Stable-Baselines3's hindsight, and never across a reset."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.vec_env import DummyVecEnv
from stable_baselines3.her import HerReplayBuffer

from agents.replay import EpisodeReplay

SPACE = gym.spaces.Dict({
    "observation": gym.spaces.Box(-np.inf, np.inf, (2,)),
    "achieved_goal": gym.spaces.Box(-np.inf, np.inf, (1,)),
    "desired_goal": gym.spaces.Box(-np.inf, np.inf, (1,)),
})  # fmt: skip
T, N_ENVS = 6, 3


class Spaces(gym.Env):
    """Only the spaces and the reward that HerReplayBuffer asks for."""

    observation_space = SPACE
    action_space = gym.spaces.Box(-1, 1, (1,))

    def compute_reward(self, achieved: np.ndarray, desired: np.ndarray, info: Any) -> np.ndarray:
        return -(np.abs(achieved - desired)[..., 0] > 0.5).astype(np.float32)


def replay(capacity: int = 10_000, **options: Any) -> EpisodeReplay:
    return EpisodeReplay(capacity, T, SPACE, 1, N_ENVS, Spaces().compute_reward, **options)


def fill(buffers: list[Any], rounds: int, lengths: list[int] | None = None) -> None:
    """Episodes in which everything is told by numbers: achieved = 100 · episode + step, goal = −episode."""
    for number in range(rounds):
        episodes = [number * N_ENVS + env for env in range(N_ENVS)]
        steps = lengths[number % len(lengths)] if lengths else T
        for t in range(steps):

            def look(time: int, episodes: list[int] = episodes) -> dict[str, np.ndarray]:
                return {
                    "observation": np.array([[e, time] for e in episodes], np.float64),
                    "achieved_goal": np.array([[100.0 * e + time] for e in episodes]),
                    "desired_goal": np.array([[-float(e)] for e in episodes]),
                }  # fmt: skip

            done = np.full(N_ENVS, t == steps - 1)
            actions, rewards = np.full((N_ENVS, 1), 0.1 * t, np.float32), np.full(N_ENVS, -1.0, np.float32)
            for buffer in buffers:
                if isinstance(buffer, EpisodeReplay):
                    buffer.add(buffer.flat(look(t)), buffer.flat(look(t + 1)), actions, rewards, done,
                               np.zeros(N_ENVS, np.float32))  # fmt: skip
                else:
                    infos = [{"TimeLimit.truncated": bool(d)} for d in done]
                    buffer.add(look(t), look(t + 1), actions, rewards, done, infos)


@pytest.mark.parametrize("strategy", ["future", "final", "episode"])
def test_equal_in_distribution_to_stock(strategy: str) -> None:
    env = DummyVecEnv([Spaces] * N_ENVS)
    stock = HerReplayBuffer(30_000, SPACE, Spaces.action_space, env, n_envs=N_ENVS, n_sampled_goal=4,
                            goal_selection_strategy=strategy)  # fmt: skip
    ours = replay(strategy=strategy, her_ratio=0.8)
    fill([ours, stock], rounds=4)
    n = 60_000
    np.random.seed(0)
    theirs = stock.sample(n)
    batch = ours.sample(n, np.random.default_rng(0))

    def table(step: np.ndarray, goal_step: np.ndarray, reward: np.ndarray, episode: np.ndarray) -> dict:
        keys, counts = np.unique(np.stack([step, goal_step, reward, episode], 1), axis=0, return_counts=True)
        return {tuple(key): count for key, count in zip(keys.tolist(), counts, strict=True)}

    def goal_step(goal: np.ndarray, episode: np.ndarray) -> np.ndarray:
        # −1 stands for the original goal
        return np.where(goal <= 0, -1, goal - 100 * episode)

    obs = {key: value.numpy() for key, value in theirs.observations.items()}
    e, t = obs["observation"][:, 0], obs["observation"][:, 1]
    a = table(t, goal_step(obs["desired_goal"][:, 0], e), theirs.rewards.numpy()[:, 0], e)
    e, t = batch.x[:, 2], batch.x[:, 3]
    b = table(t, goal_step(batch.x[:, 1], e), batch.rewards, e)
    assert a.keys() == b.keys()
    # Chi-squared of two samples; its mean is the number of cells, its deviation √(2 cells).
    chi = sum((a[key] - b[key]) ** 2 / (a[key] + b[key]) for key in a)
    assert abs(chi - len(a)) < 5 * np.sqrt(2 * len(a)), (chi, len(a))


@pytest.mark.parametrize("strategy", ["future", "final", "episode"])
def test_never_across_a_reset_not_even_after_the_ring_wrapped(strategy: str) -> None:
    ours = replay(capacity=7 * T, strategy=strategy)
    fill([ours], rounds=9, lengths=[T, 2, 4, 1])
    assert ours.added > ours.episodes
    batch = ours.sample(20_000, np.random.default_rng(1))
    episode, step = batch.x[:, 2], batch.x[:, 3]
    assert (batch.next_x[:, 2] == episode).all() and (batch.next_x[:, 3] == step + 1).all()
    assert (batch.x[:, 1] == batch.next_x[:, 1]).all()
    new = batch.x[:, 1] > 0
    assert 0.75 < new.mean() <= 0.8
    # The goal was achieved in the same episode: after this step (future), after any (episode), after the last (final).
    after = batch.x[new, 1] - 100 * episode[new]
    assert (after >= 1).all() and (after <= T).all()
    if strategy == "future":
        assert (after >= step[new] + 1).all()
    reached = batch.next_x[:, 0] == batch.x[:, 1]
    assert (batch.rewards[new] == np.where(reached[new], 0.0, -1.0)).all()
    oldest = episode.min()
    assert oldest >= 27 - ours.episodes, "an episode that was overwritten was sampled"


def test_every_transition_is_as_likely_as_any_other() -> None:
    ours = replay(her_ratio=0.0)
    fill([ours], rounds=4, lengths=[T, 1, 3])
    batch = ours.sample(50_000, np.random.default_rng(2))
    _, counts = np.unique(batch.x[:, 2:], axis=0, return_counts=True)
    assert len(counts) == len(ours)
    expected = 50_000 / len(ours)
    assert np.abs(counts - expected).max() < 6 * np.sqrt(expected)


def test_a_share_of_the_batch_comes_from_episodes_that_moved() -> None:
    ours = replay(her_ratio=0.0, moved_fraction=0.5, moved_distance=3.5)
    # Only episodes of six steps move by more than 3.5; one in three.
    fill([ours], rounds=9, lengths=[T, 2, 3])
    batch = ours.sample(40_000, np.random.default_rng(3))
    moved = (batch.x[:, 2] // N_ENVS) % 3 == 0
    natural = T / (T + 2 + 3)
    assert abs(moved.mean() - (0.5 + 0.5 * natural)) < 0.02
    # Each of their steps as often as any other, though the episodes between them are shorter.
    steps, counts = np.unique(batch.x[moved, 3], return_counts=True)
    assert steps.tolist() == list(range(T)) and np.abs(counts / moved.sum() - 1 / T).max() < 0.02


def test_unfinished_episodes_are_not_sampled_and_can_be_dropped() -> None:
    ours = replay()
    with pytest.raises(ValueError, match="no finished episode"):
        ours.sample(1, np.random.default_rng(0))
    x = np.zeros((N_ENVS, 4), np.float32)
    zero = np.zeros(N_ENVS, np.float32)
    ours.add(x, x, np.zeros((N_ENVS, 1)), zero, np.zeros(N_ENVS, bool), zero)
    assert len(ours) == 0
    ours.drop_open()
    fill([ours], rounds=1)
    assert len(ours) == N_ENVS * T


def test_export_and_load_give_the_same_samples() -> None:
    ours, copy = replay(capacity=5 * T), replay(capacity=5 * T)
    fill([ours], rounds=1, lengths=[T])
    copy.load(ours.export(0))
    before = ours.added
    fill([ours], rounds=1, lengths=[4])
    copy.load(ours.export(before))
    a, b = (r.sample(500, np.random.default_rng(4)) for r in (ours, copy))
    for name in ("x", "next_x", "actions", "rewards", "discounts"):
        assert np.array_equal(getattr(a, name), getattr(b, name))


@pytest.mark.parametrize("terminal", [False, True])
def test_returns_over_several_steps(terminal: bool) -> None:
    """Every row against the sum written out by hand: rewards of the row's own goal, cut where the episode ends."""
    gamma, n = 0.9, 4
    ours = replay(her_ratio=0.8, gamma=gamma, n_steps=n)
    fill([ours], rounds=3, lengths=[T, 2, 4])
    if terminal:
        ours.stored["terminated"][np.arange(9), ours.lengths[:9] - 1] = 1.0
    batch = ours.sample(3_000, np.random.default_rng(5))
    episode, step = batch.x[:, 2].astype(int), batch.x[:, 3].astype(int)
    seen = set()
    for row in range(len(batch.x)):
        ahead = min(n, int(ours.lengths[episode[row]]) - step[row])
        after = 100.0 * episode[row] + step[row] + 1 + np.arange(ahead)
        rewards = np.where(np.abs(after - batch.x[row, 1]) > 0.5, -1.0, 0.0)
        assert batch.rewards[row] == pytest.approx((rewards * gamma ** np.arange(ahead)).sum(), abs=1e-5)
        ends = step[row] + ahead == ours.lengths[episode[row]]
        assert batch.discounts[row] == pytest.approx(0.0 if terminal and ends else gamma**ahead, abs=1e-5)
        assert batch.next_x[row, 2:].tolist() == [episode[row], step[row] + ahead]
        assert batch.next_x[row, 1] == batch.x[row, 1]
        seen.add((ahead, bool((rewards == 0).any())))
    assert {(1, True), (4, True), (4, False), (1, False)} <= seen


def test_sampling_time_does_not_grow_with_the_fill() -> None:
    import time

    def seconds(episodes: int) -> float:
        ours = replay(capacity=episodes * T)
        fill([ours], rounds=episodes // N_ENVS)
        generator = np.random.default_rng(0)
        ours.sample(256, generator)
        times = []
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(50):
                ours.sample(256, generator)
            times.append(time.perf_counter() - began)
        return min(times)

    # A hundred times the episodes; what is left is the processor's cache. A scan would take a hundred times as long.
    assert seconds(6_000) < 10 * seconds(60)


class Halves:
    """A mirror that turns the sign of everything."""

    action_sign = np.array([-1.0], np.float32)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return -x


def test_half_of_each_batch_is_seen_in_the_mirror() -> None:
    plain, mirrored = replay(her_ratio=0.0), replay(her_ratio=0.0, reflection=Halves())
    fill([plain, mirrored], rounds=4)
    n = 20_000
    batch = mirrored.sample(n, np.random.default_rng(0))
    # Times are 0 to 5 and actions 0.1 times that, so a sign says which side of the mirror a row is from.
    time, after = batch.x[:, 3], batch.next_x[:, 3]
    turned = after < 0
    assert turned.mean() == pytest.approx(0.5, abs=0.02)
    assert (np.abs(after) == np.abs(time) + 1).all()
    np.testing.assert_allclose(batch.actions[:, 0], 0.1 * time, atol=1e-6)
    assert np.array_equal(batch.rewards, plain.sample(n, np.random.default_rng(0)).rewards)


def test_matched_episodes_are_those_that_came_near_the_goals() -> None:
    """Three episodes move; the goals asked for lie where only one of them went."""
    matched = replay(her_ratio=0.0, moved_fraction=1.0, match_desired_goals=True)
    zeros = np.zeros(N_ENVS, np.float32)
    speed = np.array([0.0, 1.0, -1.0])
    for t in range(T):
        x, next_x = (
            np.stack([speed * step, np.full(N_ENVS, -float(T)), np.arange(N_ENVS), np.full(N_ENVS, step)], 1)
            for step in (t, t + 1)
        )  # fmt: skip
        matched.add(x.astype(np.float32), next_x.astype(np.float32), np.zeros((N_ENVS, 1), np.float32), zeros,
                    np.full(N_ENVS, t == T - 1), zeros)  # fmt: skip
    batch = matched.sample(2000, np.random.default_rng(0))
    # Environment 0 did not move, environment 1 went away from the goals at −6, environment 2 towards them.
    assert (batch.x[:, 2] == 2).mean() > 0.95


def test_a_reachable_goal_was_achieved_by_moving_and_is_near() -> None:
    buffer = replay()
    goals = np.array([[150.0], [-1000.0]], np.float32)
    # Before anything moved there is none: the goals themselves.
    assert np.array_equal(buffer.achieved_goals_near(goals, np.random.default_rng(0)), goals)
    fill([buffer], rounds=4)
    found = buffer.achieved_goals_near(goals, np.random.default_rng(0))
    # Achieved goals are 100 · episode + step, steps up to 6: the nearest to 150 is 106, to −1000 the earliest of all.
    assert found[0] == 106.0 and 1.0 <= found[1] <= 6.0


def test_how_much_moved_lately() -> None:
    buffer = replay()
    assert buffer.moved_lately() == 0.0
    fill([buffer], rounds=3)
    assert buffer.moved_lately() == 1.0
    buffer.moved[: 2 * N_ENVS] = False
    assert buffer.moved_lately(N_ENVS) == 1.0
    assert buffer.moved_lately(3 * N_ENVS) == pytest.approx(1 / 3)
