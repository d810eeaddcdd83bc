"""The threaded vector environment: the numbers of DummyVecEnv, and clear errors instead of hangs."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from envs.make import make_env
from envs.thread_vec_env import EnvironmentFailure, ThreadVecEnv


class Counting(gym.Env):
    """Ends after three steps; observation: (episode, step). Raises or stalls on demand."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,))
    action_space = gym.spaces.Box(-1.0, 1.0, (1,))
    render_mode = "rgb_array"
    fail_at: int | None = None

    def __init__(self) -> None:
        self.episode, self.time, self.thread, self.closed = -1, 0, threading.get_ident(), False

    def _look(self) -> np.ndarray:
        assert threading.get_ident() == self.thread, "touched from another thread"
        return np.array([self.episode, self.time], np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict]:
        super().reset(seed=seed)
        self.episode, self.time = self.episode + 1, 0
        return self._look(), {"seed": seed, "options": options}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.time += 1
        if self.fail_at == self.time:
            raise ValueError("broken joint")
        return self._look(), float(action[0]), False, self.time == 3, {}

    def render(self) -> np.ndarray:
        return np.full((2, 2, 3), self._look()[1], np.uint8)

    def close(self) -> None:
        self._look()
        self.closed = True


def make_fetch() -> gym.Env:
    return Monitor(make_env("FetchPush-v4"))


@pytest.mark.parametrize("threads", [1, 2, 2 * (os.cpu_count() or 1)])
def test_equals_dummy_bit_for_bit(threads: int) -> None:
    """With more threads than cores too."""
    n = max(3, threads)
    ours, dummy = ThreadVecEnv([make_fetch] * n, threads=threads), DummyVecEnv([make_fetch] * n)
    assert ours.team.count == threads
    for env in (ours, dummy):
        env.seed(7)
    first, second = ours.reset(), dummy.reset()
    assert all(np.array_equal(first[key], second[key]) and first[key].dtype == second[key].dtype for key in second)
    generator = np.random.default_rng(0)
    for _ in range(120):
        actions = generator.uniform(-1, 1, (n, 4)).astype(np.float32)
        a, b = ours.step(actions), dummy.step(actions)
        assert all(np.array_equal(a[0][key], b[0][key]) for key in b[0])
        assert np.array_equal(a[1], b[1]) and np.array_equal(a[2], b[2])
        for left, right in zip(a[3], b[3], strict=True):
            assert left.keys() == right.keys()
            assert left["is_success"] == right["is_success"]
            assert left["TimeLimit.truncated"] == right["TimeLimit.truncated"]
            if "terminal_observation" in right:
                old, new = left["terminal_observation"], right["terminal_observation"]
                assert all(np.array_equal(old[key], new[key]) for key in new)
    ours.close()
    dummy.close()


@pytest.mark.parametrize(("n", "threads"), [(1, 1), (1, 8), (5, 2), (2, 64)])
def test_any_number_of_threads(n: int, threads: int) -> None:
    env = ThreadVecEnv([Counting] * n, threads=threads)
    assert env.team.count <= n
    env.reset()
    for step in range(1, 8):
        observations, rewards, dones, infos = env.step(np.full((n, 1), 0.5))
        assert (dones == (step % 3 == 0)).all() and (rewards == 0.5).all()
        assert (observations[:, 0] == step // 3).all() and (observations[:, 1] == step % 3).all()
        if step % 3 == 0:
            assert all(info["terminal_observation"][1] == 3 and info["TimeLimit.truncated"] for info in infos)
    env.close()


def test_seeds_options_and_results_are_the_callers_own() -> None:
    env = ThreadVecEnv([Counting] * 3, threads=2)
    env.seed(10)
    env.set_options({"goal": 1})
    before = env.reset()
    assert [info["seed"] for info in env.reset_infos] == [10, 11, 12]
    assert env.reset_infos[0]["options"] == {"goal": 1}
    env.step(np.zeros((3, 1)))
    assert (before[:, 1] == 0).all(), "an earlier result was overwritten"
    env.reset()
    assert [info["seed"] for info in env.reset_infos] == [None] * 3
    env.close()


def test_attributes_methods_and_rendering_happen_in_the_owners_thread() -> None:
    env = ThreadVecEnv([Counting] * 4, threads=3)
    env.reset()
    env.set_attr("episode", 40, indices=[1, 3])
    assert env.get_attr("episode") == [0, 40, 0, 40]
    assert [image[0, 0, 0] for image in env.get_images()] == [0] * 4
    assert [look[0] for look in env.env_method("_look", indices=[3, 0])] == [40, 0]
    assert env.env_is_wrapped(Monitor) == [False] * 4
    env.close()


class Uneven(Counting):
    """Draws nothing, so any thread may step it; the slow one takes a tenth of a second."""

    render_mode = None
    slow = False

    def _look(self) -> np.ndarray:
        return np.array([self.episode, self.time], np.float32)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.thread = threading.get_ident()
        time.sleep(0.1 if self.slow else 0.002)
        return super().step(action)


def test_environments_that_draw_nothing_go_to_whichever_thread_is_free_the_slow_one_first() -> None:
    env = ThreadVecEnv([Uneven] * 6, threads=2)
    env.reset()
    env.set_attr("slow", True, indices=5)
    for _ in range(2):
        observations = env.step(np.zeros((6, 1)))[0]
    assert (observations[:, 1] == 2).all()
    threads = env.get_attr("thread")
    assert threads.count(threads[5]) == 1, "others waited behind the slow one"
    env.close()
    drawing = ThreadVecEnv([Counting] * 2, threads=2)
    assert env.movable and not drawing.movable
    drawing.close()


def test_a_failure_of_a_movable_environment_is_named() -> None:
    env = ThreadVecEnv([Uneven] * 4, threads=2)
    env.reset()
    env.set_attr("fail_at", 1, indices=2)
    with pytest.raises(EnvironmentFailure, match=r"environment 2: ValueError: broken joint"):
        env.step(np.zeros((4, 1)))
    inner = list(env.envs)
    env.close()
    assert all(e.closed for e in inner)


def test_a_failing_environment_is_named_and_nothing_hangs() -> None:
    env = ThreadVecEnv([Counting] * 4, threads=2)
    env.reset()
    env.set_attr("fail_at", 1, indices=2)
    with pytest.raises(EnvironmentFailure, match=r"environment 2: ValueError: broken joint") as caught:
        env.step(np.zeros((4, 1)))
    assert isinstance(caught.value.__cause__, ValueError)
    inner = list(env.envs)
    env.close()
    assert all(e.closed for e in inner)


def test_an_attribute_that_is_not_there() -> None:
    env = ThreadVecEnv([Counting] * 2, threads=2)
    assert env.has_attr("episode") and not env.has_attr("nope")
    with pytest.raises(AttributeError, match="nope"):
        env.get_attr("nope")
    env.close()


def test_a_failing_constructor_leaves_no_thread() -> None:
    before = threading.active_count()

    def broken() -> gym.Env:
        raise OSError("no model")

    with pytest.raises(EnvironmentFailure, match="no model"):
        ThreadVecEnv([Counting, broken], threads=2)
    assert threading.active_count() == before


def test_close_during_a_step_and_after_it() -> None:
    before = threading.active_count()
    env = ThreadVecEnv([make_fetch] * 2, threads=2)
    env.reset()
    env.step_async(np.zeros((2, 4), np.float32))
    env.close()
    env.close()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="closed"):
        env.step_async(np.zeros((2, 4), np.float32))
    with pytest.raises(RuntimeError, match="closed"):
        env.reset()
    with pytest.raises(RuntimeError, match="ended"):
        env.get_attr("spec")


def test_memory_does_not_grow_over_ten_thousand_resets() -> None:
    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    env = ThreadVecEnv([make_fetch] * 2, threads=2)
    for _ in range(500):
        env.reset()
    settled = resident()
    for _ in range(4_500):
        env.reset()
    grown = resident() - settled
    env.close()
    assert grown < 8 * 2**20, f"{grown / 2**20:.1f} MiB more after 9,000 resets"
