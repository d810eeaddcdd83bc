"""Running seeded episodes with anything that has `predict`.

The outcome of an episode depends on its seed and the policy alone: every environment runs whole episodes, starting
with a reset by that episode's seed, and the policy sees one observation at a time. (A batch of observations would go
through other matrix kernels, whose last bits differ, and contacts make large differences of them.)
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from analysis.metrics import Trace
from common.errors import TrainingFailure
from wrappers.recording import recorder_of

# Fetch tasks have their own; an environment without one is judged by this (m).
DEFAULT_THRESHOLD = 0.05


class Policy(Protocol):
    """What acts: Stable-Baselines3's interface, which our own controllers share."""

    def predict(self, observation: Any, deterministic: bool = True) -> tuple[np.ndarray, Any]:
        """The action (A,) for one observation, and a recurrent state (unused, None)."""
        ...


def _check_finite(observation: Any, reward: float, seed: int, step: int) -> None:
    parts = observation if isinstance(observation, dict) else {"observation": observation}
    for key, value in parts.items():
        if not np.isfinite(value).all():
            raise TrainingFailure(
                f"{key} of the environment is not finite at step {step} of the episode of seed {seed}"
            )
    if not np.isfinite(reward):
        raise TrainingFailure(f"reward is not finite at step {step} of the episode of seed {seed}")


def run_episode(
    policy: Policy,
    env: gym.Env,
    seed: int,
    deterministic: bool = True,
    on_step: Callable[[gym.Env, bool], None] | None = None,
) -> Trace:
    """One episode from `reset(seed=seed)` to its end; `on_step(env, success)` is called after reset and each step.

    Raises `TrainingFailure` at the first observation or reward that is no finite number: no metric can be made of it.
    """
    observation, _ = env.reset(seed=seed)
    _check_finite(observation, 0.0, seed, 0)
    # A policy with randomness of its own starts each episode afresh, whatever ran before it on this thread.
    if hasattr(policy, "seed"):
        policy.seed(seed)
    threshold = getattr(env.unwrapped, "distance_threshold", DEFAULT_THRESHOLD)
    # What is measured comes from the simulator, not from what a wrapper shows the policy.
    recorder = recorder_of(env)
    truth = recorder.truth
    goal, achieved, positions = truth.desired_goal, [truth.achieved_goal], [truth.gripper]
    rewards, successes, applied, asked, forces = [], [], [], [], []
    angles = [recorder.arm_angles]
    if on_step:
        on_step(env, bool(np.linalg.norm(achieved[0] - goal) < threshold))
    done = False
    while not done:
        action, _ = policy.predict(observation, deterministic=deterministic)
        if not np.isfinite(action).all():
            raise TrainingFailure(f"action of the policy is not finite at step {len(rewards) + 1} of seed {seed}")
        observation, reward, terminated, truncated, _ = env.step(action)
        done = terminated or truncated
        _check_finite(observation, reward, seed, len(rewards) + 1)
        truth = recorder.truth
        achieved.append(truth.achieved_goal)
        positions.append(truth.gripper)
        rewards.append(float(truth.reward))
        successes.append(bool(truth.success))
        applied.append(np.array(recorder.applied_action))
        asked.append(np.atleast_1d(np.array(action, dtype=np.float64)))
        forces.append(recorder.object_force)
        angles.append(recorder.arm_angles)
        if on_step:
            on_step(env, successes[-1])
    return Trace(
        seed=seed,
        achieved_goals=np.stack(achieved),
        desired_goal=goal,
        grip_positions=np.stack(positions),
        rewards=np.array(rewards),
        successes=np.array(successes),
        applied_actions=np.stack(applied),
        policy_actions=np.stack(asked),
        distance_threshold=threshold,
        object_forces=None if None in forces else np.array(forces),
        arm_angles=None if angles[0] is None else np.stack(angles),
    )


def run_episodes(
    make_policy: Callable[[], Policy],
    make: Callable[[], gym.Env],
    seeds: Sequence[int],
    n_envs: int = 1,
    deterministic: bool = True,
    on_step: Callable[[int, gym.Env, bool], None] | None = None,
) -> Iterator[Trace]:
    """Episodes for all `seeds`, in their order, on `n_envs` environments, each in a thread of its own.

    MuJoCo's step releases the interpreter's lock, so threads are enough. Each thread makes its environment and policy
    itself and closes them, since an OpenGL context belongs to the thread that made it. An exception in any thread is
    raised here and stops the others after their current episode.
    """
    results: queue.Queue[tuple[int, Trace | BaseException]] = queue.Queue()
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    for index in range(len(seeds)):
        todo.put(index)
    stop = False

    def work() -> None:
        env = None
        try:
            env = make()
            policy = make_policy()
            while not stop:
                try:
                    index = todo.get_nowait()
                except queue.Empty:
                    break
                watch = None if on_step is None else (lambda e, s, i=index: on_step(i, e, s))
                results.put((index, run_episode(policy, env, seeds[index], deterministic, watch)))
        except BaseException as error:  # handed to the caller's thread, which raises it
            results.put((-1, error))
        finally:
            if env is not None:
                env.close()

    with ThreadPoolExecutor(max_workers=max(1, min(n_envs, len(seeds)))) as pool:
        workers = [pool.submit(work) for _ in range(pool._max_workers)]
        try:
            waiting: dict[int, Trace] = {}
            for index in range(len(seeds)):
                while index not in waiting:
                    key, value = results.get()
                    if isinstance(value, BaseException):
                        raise value
                    waiting[key] = value
                yield waiting.pop(index)
        finally:
            stop = True
    for worker in workers:
        # Nothing else is left to fail but the closing of an environment.
        worker.result()
