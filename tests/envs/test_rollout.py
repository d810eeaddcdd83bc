"""Seeded episodes on several threads: outcomes depend on seed and policy alone, and nothing is lost or left behind."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import fields
from types import SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from agents.controllers import RandomPolicy, ZeroPolicy
from analysis.metrics import Trace, episode_metrics
from envs.make import make_env
from envs.rollout import run_episode, run_episodes
from wrappers.recording import RecordTruth

# Far above what any of these takes, far below what makes a hanging test a nuisance.
PATIENCE_S = 20.0
LENGTH = 3


class Fault(BaseException):
    """Raised on purpose; no `Exception`, so that nothing on the way swallows it by accident."""


class Walk(gym.Env):
    """A point on a line that the action moves; slow on even seeds. Counts who was made, closed and stepped at once."""

    made: list[Walk] = []
    open: set[Walk] = set()
    fault: str = ""

    def __init__(self) -> None:
        self.fail("make")
        box = gym.spaces.Box(-10.0, 10.0, (1,), np.float64)
        keys = ("observation", "achieved_goal", "desired_goal")
        self.observation_space = gym.spaces.Dict(dict.fromkeys(keys, box))
        self.action_space = gym.spaces.Box(-1.0, 1.0, (1,), np.float32)
        self.episodes: list[int | None] = []
        self.made.append(self)
        self.open.add(self)

    def fail(self, where: str) -> None:
        if where == self.fault:
            raise Fault(where)

    def look(self) -> dict[str, np.ndarray]:
        return {"observation": self.x.copy(), "achieved_goal": self.x.copy(), "desired_goal": self.goal.copy()}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[dict, dict]:
        super().reset(seed=seed)
        self.fail("reset")
        self.episodes.append(seed)
        self.steps, self.pause = 0, 0.02 * (seed % 2 == 0)
        self.x, self.goal = np.zeros(1), self.np_random.uniform(-1, 1, 1)
        return self.look(), {}

    def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
        self.fail("step")
        time.sleep(self.pause)
        self.steps += 1
        self.x = self.x + np.clip(action, -1, 1) + self.np_random.normal(0, 0.1, 1)
        success = bool(abs(self.x - self.goal)[0] < 0.05)
        return self.look(), float(success) - 1, False, self.steps == LENGTH, {"is_success": success}

    def close(self) -> None:
        self.open.discard(self)
        self.fail("close")


class Follow:
    """Acts towards the goal; deterministic."""

    def __init__(self) -> None:
        if Walk.fault == "make_policy":
            raise Fault("make_policy")

    def predict(self, observation: Any, deterministic: bool = True) -> tuple[np.ndarray, None]:
        if Walk.fault == "predict":
            raise Fault("predict")
        return (observation["desired_goal"] - observation["achieved_goal"]).astype(np.float32), None


def make_walk() -> gym.Env:
    return RecordTruth(Walk())


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Every environment that a test made is closed at its end, and every thread has ended."""
    before = set(threading.enumerate())
    Walk.made, Walk.open, Walk.fault = [], set(), ""
    yield
    Walk.fault = ""
    assert not Walk.open, "left open"
    assert not [t for t in set(threading.enumerate()) - before if "ThreadPool" in t.name], "left running"


def within(function: Callable[[], Any]) -> Any:
    """The result of `function`; a failure, instead of a test run that hangs, where it does not come in time."""
    outcome: list[tuple[bool, Any]] = []

    def work() -> None:
        try:
            outcome.append((True, function()))
        except BaseException as error:
            outcome.append((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    assert not thread.is_alive(), f"hangs for {PATIENCE_S:.0f} s"
    good, value = outcome[0]
    if not good:
        raise value
    return value


def episodes(seeds: Any, n_envs: int = 1, **options: Any) -> list[Trace]:
    return within(lambda: list(run_episodes(Follow, make_walk, seeds, n_envs, **options)))


def assert_equal(a: list[Trace], b: list[Trace]) -> None:
    """Bit for bit, field by field."""
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        for field in fields(Trace):
            x, y = getattr(one, field.name), getattr(other, field.name)
            assert np.array_equal(x, y) and np.asarray(x).dtype == np.asarray(y).dtype, field.name


@pytest.mark.parametrize("n_envs", [1, 2, 7])
def test_results_come_in_the_order_of_the_seeds(n_envs: int) -> None:
    """Slow and fast episodes alternate, so with several threads they finish in another order than they began."""
    seeds = [4, 1, 8, 3, 3, 0, 5, 4]
    assert [t.seed for t in episodes(seeds, n_envs)] == seeds


def test_number_of_threads_and_neighbours_do_not_matter() -> None:
    seeds = [2, 5, 1, 8, 3]
    alone = [episodes([seed])[0] for seed in seeds]
    for n_envs in (1, 2, 5, 16):
        assert_equal(episodes(seeds, n_envs), alone)
    assert_equal(episodes(seeds[::-1], 2)[::-1], alone)


@pytest.mark.parametrize("env_id", ["FetchReach-v4", "FetchPush-v4"])
def test_number_of_threads_does_not_matter_on_fetch(env_id: str) -> None:
    """With a policy that has randomness of its own, in contact-rich simulation."""
    with contextlib.closing(make_env(env_id)) as env:
        pass

    def run(seeds: list[int], n_envs: int) -> list[Trace]:
        return within(lambda: list(run_episodes(lambda: RandomPolicy(env), lambda: make_env(env_id), seeds, n_envs)))

    one = run([11, 12, 13, 14], 1)
    assert_equal(run([11, 12, 13, 14], 3), one)
    assert_equal(run([13], 1), one[2:3])


def test_trace_records_the_episode() -> None:
    trace = episodes([3])[0]
    assert trace.achieved_goals.shape == trace.grip_positions.shape == (LENGTH + 1, 1)
    assert len(trace.rewards) == len(trace.successes) == len(trace.applied_actions) == LENGTH
    assert np.array_equal(trace.achieved_goals[0], np.zeros(1)), "row 0 is the state after reset"
    assert np.array_equal(trace.rewards, trace.successes - 1.0)
    assert np.array_equal(trace.applied_actions, np.clip(trace.policy_actions, -1, 1))
    assert episode_metrics(trace).length == LENGTH


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("where", ["make", "make_policy", "reset", "predict", "step", "close"])
def test_an_exception_is_raised_in_the_caller(where: str, n_envs: int) -> None:
    Walk.fault = where
    with pytest.raises(Fault, match=f"^{where}$"):
        episodes(range(30), n_envs)


@pytest.mark.parametrize("n_envs", [1, 3])
def test_an_exception_in_one_episode_ends_the_others_soon(n_envs: int) -> None:
    def on_step(index: int, env: gym.Env, success: bool) -> None:
        if index == 1:
            raise Fault("on_step")

    seeds = range(0, 400, 2)
    with pytest.raises(Fault, match="on_step"):
        episodes(seeds, n_envs, on_step=on_step)
    begun = sum(len(env.episodes) for env in Walk.made)
    assert begun <= 1 + 3 * n_envs, f"{begun} of {len(seeds)} episodes were begun"


@pytest.mark.parametrize("n_envs", [1, 3])
def test_stopping_early_ends_the_threads(n_envs: int) -> None:
    """The caller takes one result and no more; `no_leaks` sees to the rest."""
    seeds = range(0, 400, 2)
    generator = run_episodes(Follow, make_walk, seeds, n_envs)
    assert within(lambda: next(generator)).seed == 0
    within(generator.close)
    assert sum(len(env.episodes) for env in Walk.made) < len(seeds) / 2


def test_a_caller_that_fails_in_its_loop_ends_the_threads() -> None:
    def judge() -> None:
        for trace in run_episodes(Follow, make_walk, range(0, 400, 2), 3):
            raise Fault(str(trace.seed))

    with pytest.raises(Fault, match="^0$"):
        within(judge)


def test_no_more_environments_than_seeds() -> None:
    assert [t.seed for t in episodes([6], 5)] == [6]
    assert len(Walk.made) == 1


def test_no_seeds_no_episodes() -> None:
    assert episodes([], 2) == []


def test_each_environment_stays_on_the_thread_that_made_it() -> None:
    """An OpenGL context may be used by the thread that made it alone."""
    homes: dict[Walk, set[int]] = {}

    class Homed(Walk):
        def __init__(self) -> None:
            super().__init__()
            homes[self] = {threading.get_ident()}

        def reset(self, **options: Any) -> tuple[dict, dict]:
            homes[self].add(threading.get_ident())
            return super().reset(**options)

        def step(self, action: np.ndarray) -> tuple[dict, float, bool, bool, dict]:
            homes[self].add(threading.get_ident())
            return super().step(action)

        def close(self) -> None:
            homes[self].add(threading.get_ident())
            super().close()

    within(lambda: list(run_episodes(Follow, lambda: RecordTruth(Homed()), range(8), 2)))
    assert len(homes) == 2 and all(len(threads) == 1 for threads in homes.values())


def test_on_step_sees_reset_and_every_step() -> None:
    seen: dict[int, list[bool]] = {}
    traces = episodes([1, 2, 3], 2, on_step=lambda index, env, success: seen.setdefault(index, []).append(success))
    assert sorted(seen) == [0, 1, 2]
    for index, trace in enumerate(traces):
        assert seen[index][1:] == list(trace.successes)
        assert seen[index][0] == (abs(trace.achieved_goals[0] - trace.desired_goal)[0] < trace.distance_threshold)


def test_random_policy_is_seeded_by_the_episode() -> None:
    space = gym.spaces.Box(np.array([-1.0, 2.0], np.float32), np.array([1.0, 5.0], np.float32))
    policy = RandomPolicy(SimpleNamespace(action_space=space))

    def draw(seed: int) -> np.ndarray:
        policy.seed(seed)
        return np.stack([policy.predict(None)[0] for _ in range(200)])

    actions = draw(7)
    assert np.array_equal(actions, draw(7)) and not np.array_equal(actions, draw(8))
    assert actions.dtype == space.dtype and all(space.contains(a) for a in actions)
    # Spread over the whole space, and independent from step to step.
    assert np.all(actions.min(0) < space.low + 0.1) and np.all(actions.max(0) > space.high - 0.1)
    assert abs(np.corrcoef(actions[1:, 0], actions[:-1, 0])[0, 1]) < 0.3


def test_random_policy_knows_nothing_of_the_goal() -> None:
    """The environment draws its goal from the episode's seed too: equal streams would point the first action at it."""
    env = make_env("FetchReach-v4")
    directions = []
    for seed in range(20):
        goal = env.reset(seed=seed)[0]["desired_goal"] - env.unwrapped.initial_gripper_xpos
        policy = RandomPolicy(env)
        policy.seed(seed)
        action = policy.predict(None)[0][:3]
        directions.append(goal @ action / np.linalg.norm(goal) / np.linalg.norm(action))
    env.close()
    # Cosines of random pairs in space are uniform in [-1, 1]: the mean of 20 has a standard deviation of 0.13.
    assert abs(np.mean(directions)) < 0.5


def test_zero_policy_does_nothing() -> None:
    env = make_env("FetchReach-v4")
    trace = run_episode(ZeroPolicy(env), env, seed=0)
    env.close()
    assert not trace.applied_actions.any() and trace.applied_actions.shape == (50, 4)
    # The arm sags by 7 mm under its own weight.
    assert np.allclose(trace.grip_positions, trace.grip_positions[0], atol=0.02)
