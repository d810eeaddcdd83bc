"""Hindsight as `agents.build` sets it up never crosses a reset, wherever the ring of the replay has wrapped.

Every episode of the environment here carries a number of its own in its achieved goals, beside the count of its steps:
so each sampled transition tells which episode its goal comes from, and from which step of it.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.her import HerReplayBuffer

from agents.build import BACKENDS, build
from agents.segments import begin_segment, close_open_episodes
from configs.recipes import resolve
from configs.train_config import TrainConfig
from envs.vector import make_vec_env

N_ENVS, TIME_LIMIT, SAMPLES = 3, 9, 4000
REWARDED = {name: backend for name, backend in BACKENDS.items() if backend.learns_from_rewards and not backend.sees}
HERE = [(name, algo) for name, backend in REWARDED.items() for algo in backend.algorithms if algo != "ppo"]
STRATEGIES = ("future", "final", "episode")


class Numbered(gym.Env):
    """achieved_goal: (number of the episode, steps so far). Ends after 3 to 12 steps in each of three ways."""

    numbers = itertools.count(1)
    # number of the episode -> (its steps so far, whether it was terminated)
    log: dict[int, tuple[int, bool]] = {}

    def __init__(self, render_mode: str | None = None):
        self.render_mode = render_mode
        box = gym.spaces.Box(-np.inf, np.inf, (2,), np.float32)
        keys = ("observation", "achieved_goal", "desired_goal")
        self.observation_space = gym.spaces.Dict(dict.fromkeys(keys, box))
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def look(self) -> dict[str, np.ndarray]:
        achieved = np.array([self.number, self.steps], np.float32)
        return {"observation": achieved, "achieved_goal": achieved, "desired_goal": np.full(2, -1, np.float32)}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        self.number, self.steps = next(self.numbers), 0
        self.length, self.terminates = self.np_random.integers(3, 13), self.np_random.random() < 0.5
        return self.look(), {}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        self.steps += 1
        over = self.steps == self.length
        self.log[self.number] = (self.steps, bool(over and self.terminates))
        return self.look(), -1.0, bool(over and self.terminates), bool(over and not self.terminates), {}

    def compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> np.ndarray:
        return np.where((achieved_goal == desired_goal).all(-1), np.float32(0), np.float32(-1))


gym.register("Numbered-v0", entry_point=Numbered, max_episode_steps=TIME_LIMIT)


@dataclass(frozen=True)
class Transitions:
    """(N, 2) goals before and after a step, (N,) rewards and terminations."""

    achieved: np.ndarray
    desired: np.ndarray
    next_achieved: np.ndarray
    next_desired: np.ndarray
    rewards: np.ndarray
    terminated: np.ndarray


def sample(model: BaseAlgorithm) -> Transitions:
    """`SAMPLES` transitions as an update would get them."""
    if isinstance(model.replay_buffer, HerReplayBuffer):
        batch = model.replay_buffer.sample(SAMPLES)
        now, after = batch.observations, batch.next_observations
        columns = [d[key].numpy() for d in (now, after) for key in ("achieved_goal", "desired_goal")]
        return Transitions(*columns, batch.rewards.numpy().ravel(), batch.dones.numpy().ravel())
    batch = model.replay_buffer.sample(SAMPLES, np.random.default_rng())
    columns = [x[:, part] for x in (batch.x, batch.next_x) for part in (slice(0, 2), slice(2, 4))]
    return Transitions(*columns, batch.rewards, (batch.discounts == 0).astype(np.float32))


@contextlib.contextmanager
def collector(backend: str, algo: str, strategy: str) -> Iterator[BaseAlgorithm]:
    """A learner that collects and never updates, with a replay of 120 transitions."""
    config = TrainConfig(
        algo=algo, env="Numbered-v0", her=True, backend=backend, n_envs=N_ENVS, buffer_size=120, net_arch=(4,),
        learning_starts=10**6, her_goal_selection_strategy=strategy, her_n_sampled_goal=4,
    )  # fmt: skip
    settings = resolve(config).settings
    with contextlib.closing(make_vec_env("Numbered-v0", N_ENVS, settings["vec_env"])) as env:
        yield build(settings, env, "cpu")


def collect(model: BaseAlgorithm, rows: int) -> None:
    """`rows` more steps of each environment."""
    model.learn(rows * N_ENVS, log_interval=None, reset_num_timesteps=False)


def check(t: Transitions, strategy: str) -> None:
    """No transition and no goal crosses a reset; goals, rewards and terminations are what the episode says."""
    number, step = t.achieved.T
    next_number, next_step = t.next_achieved.T
    assert np.array_equal(number, next_number) and np.array_equal(next_step, step + 1), "a transition crosses a reset"
    assert np.array_equal(t.desired, t.next_desired), "the goal changes within a transition"
    new = t.desired[:, 0] != -1
    assert new.mean() == pytest.approx(0.8, abs=0.001), "4 relabelled for each original"
    assert np.array_equal(t.desired[new, 0], number[new]), "a goal of another episode"
    length, ended = np.array([Numbered.log[int(n)] for n in number]).T
    goal_step = t.desired[:, 1]
    if strategy == "future":
        assert np.all(goal_step[new] >= next_step[new]), "a goal from before the transition"
        assert np.any(goal_step[new] > next_step[new])
    elif strategy == "final":
        assert np.array_equal(goal_step[new], length[new]), "a goal that is not the episode's last"
    else:
        assert np.any(goal_step[new] < next_step[new]) and np.any(goal_step[new] > next_step[new])
    assert np.all((goal_step[new] >= 1) & (goal_step[new] <= length[new]))
    met = (t.next_achieved == t.desired).all(1)
    assert met.any() and np.array_equal(t.rewards, np.where(met, 0.0, -1.0)), "rewards of the old goal"
    assert np.array_equal(t.terminated, (next_step == length) & (ended == 1)), "a truncation taken for a termination"


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("backend", "algo"), HERE)
def test_goals_come_from_the_same_episode(backend: str, algo: str, strategy: str) -> None:
    """Sampled at every seventh row through seven turns of the ring: at all its positions, whole and half episodes."""
    with collector(backend, algo, strategy) as model:
        begin_segment(model, 0, 0)
        collect(model, TIME_LIMIT)
        oldest = []
        for _ in range(40):
            collect(model, 7)
            transitions = sample(model)
            check(transitions, strategy)
            oldest.append(transitions.achieved[:, 0].min())
        assert oldest[-1] > oldest[0], "the ring never wrapped"


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(("backend", "algo"), HERE)
def test_goals_stay_in_their_episode_where_a_segment_cuts_it(backend: str, algo: str, strategy: str) -> None:
    with collector(backend, algo, strategy) as model:
        for segment in range(20):
            begin_segment(model, 0, segment)
            collect(model, 17)
            close_open_episodes(model)
            check(sample(model), strategy)


def test_a_segment_that_leaves_episodes_open_is_noticed() -> None:
    """The check can fail: without closing, the reset of the next segment falls into a recorded episode."""
    with collector("sb3", "sac", "episode") as model, pytest.raises(AssertionError, match="another episode"):
        for segment in range(20):
            begin_segment(model, 0, segment)
            collect(model, 17)
            if segment:
                check(sample(model), "episode")
