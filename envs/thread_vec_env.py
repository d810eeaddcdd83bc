"""Many environments stepped by a few threads of this process.

MuJoCo's `mj_step` releases the interpreter's lock, so threads run physics on all cores at once, with nothing to pickle
and no process to start. Environment i belongs to thread i modulo the number of threads, for its whole life: it is made,
reset, rendered and closed there, because an OpenGL context may be used only by the thread that made it.

Environments that can draw are stepped there, too. Where none can, the thread that is free takes the next one, and the
one that took longest last time comes first: steps with contact cost more than others, and with fixed shares one thread
would wait for the other for 4 to 8% of the time. So a wrapper that draws by itself must name a `render_mode`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from common.errors import TrainingFailure
from common.provenance import cores
from envs.thread_team import Order, ThreadTeam, wait


class EnvironmentFailure(TrainingFailure):
    """An environment raised; says which one, and holds the exception as its cause."""


class ThreadVecEnv(VecEnv):
    """A Stable-Baselines3 `VecEnv` over ordinary Gymnasium environments, with the results of `DummyVecEnv`.

    `make`: one function for each environment. `threads`: by default as many as cores this process may use, and never
    more than environments. Finished episodes are reset at once, as Stable-Baselines3 expects: the last observation is
    in `info["terminal_observation"]`, the end of time in `info["TimeLimit.truncated"]`.
    Raises `EnvironmentFailure` where an environment raises; none is inside a step any more then, nothing hangs, and
    `close` still works.
    """

    def __init__(self, make: Sequence[Callable[[], gym.Env]], threads: int | None = None):
        count = max(1, min(len(make), threads or cores()))
        self.team = ThreadTeam(count, "env-thread")
        self.closed = False
        self.pending: list[Order] | None = None
        self.envs: list[gym.Env | None] = [None] * len(make)
        try:
            self._on_all(lambda i: self.envs.__setitem__(i, make[i]()))
            first = self.envs[0]
            super().__init__(len(make), first.observation_space, first.action_space)
        except BaseException:
            self.num_envs = len(make)
            self.close()
            raise
        space = self.observation_space
        self.keys = list(space.spaces) if isinstance(space, gym.spaces.Dict) else [None]
        spaces = space.spaces if isinstance(space, gym.spaces.Dict) else {None: space}
        n = self.num_envs
        self.observations = {key: np.zeros((n, *part.shape), part.dtype) for key, part in spaces.items()}
        self.rewards, self.dones = np.zeros(n, np.float32), np.zeros(n, bool)
        self.infos: list[dict[str, Any]] = [{} for _ in range(n)]
        self.actions: np.ndarray | None = None
        self.movable = self.render_mode is None
        # What the last step of each took.
        self.seconds = [0.0] * n

    @staticmethod
    def _finish(orders: list[Order]) -> None:
        """Wait for all `orders`, so that no thread is inside an environment; raise where one failed."""
        failure = wait(orders)
        if failure is None:
            return
        index, error = failure
        if not isinstance(error, Exception):
            raise error
        raise EnvironmentFailure(f"environment {index}: {type(error).__name__}: {error}") from error

    def _on_all(self, function: Callable[[int], Any], indices: Iterable[int] | None = None) -> list[Any]:
        """Results of `function(i)`, in the order of `indices` (all environments where None)."""
        order = list(range(len(self.envs)) if indices is None else indices)
        results: dict[int, Any] = {}

        def keep(index: int) -> None:
            results[index] = function(index)

        self._finish(self.team.begin(keep, order))
        return [results[index] for index in order]

    def _keep(self, index: int, observation: Any) -> None:
        for key in self.keys:
            self.observations[key][index] = observation if key is None else observation[key]

    def _reset_one(self, index: int) -> None:
        options = {"options": self._options[index]} if self._options[index] else {}
        observation, self.reset_infos[index] = self.envs[index].reset(seed=self._seeds[index], **options)
        self._keep(index, observation)

    def _step_one(self, index: int) -> None:
        began = time.perf_counter()
        env = self.envs[index]
        observation, reward, terminated, truncated, info = env.step(self.actions[index])
        done = terminated or truncated
        info["TimeLimit.truncated"] = truncated and not terminated
        if done:
            info["terminal_observation"] = observation
            observation, self.reset_infos[index] = env.reset()
        self.rewards[index], self.dones[index], self.infos[index] = reward, done, info
        self._keep(index, observation)
        self.seconds[index] = time.perf_counter() - began

    def _observation(self) -> VecEnvObs:
        # Copies: the caller may keep them, and the next step overwrites the arrays.
        if self.keys == [None]:
            return self.observations[None].copy()
        return {key: value.copy() for key, value in self.observations.items()}

    def reset(self) -> VecEnvObs:
        """Reset all, with the seeds given to `seed` since the last reset."""
        self._check_open()
        self._on_all(self._reset_one)
        self._reset_seeds()
        self._reset_options()
        return self._observation()

    def step_async(self, actions: np.ndarray) -> None:
        """Begin a step with `actions` (n, A)."""
        self._check_open()
        self.actions = actions
        if self.movable:
            longest_first = sorted(range(self.num_envs), key=self.seconds.__getitem__, reverse=True)
            self.pending = self.team.share(self._step_one, longest_first)
        else:
            self.pending = self.team.begin(self._step_one, range(self.num_envs))

    def step_wait(self) -> VecEnvStepReturn:
        """Finish it: observations, rewards (n,) float32, dones (n,) bool, infos."""
        if self.pending is None:
            raise RuntimeError("step_wait without step_async")
        pending, self.pending = self.pending, None
        self._finish(pending)
        return self._observation(), self.rewards.copy(), self.dones.copy(), list(self.infos)

    def close(self) -> None:
        """Finish a step that is under way, close all environments in their threads, end the threads. Twice is fine."""
        if self.closed:
            return
        self.closed = True
        try:
            self._on_all(lambda i: self.envs[i].close() if self.envs[i] is not None else None)
        finally:
            self.team.end()

    def _check_open(self) -> None:
        if self.closed:
            raise RuntimeError("this vector environment was closed")

    def get_images(self) -> Sequence[np.ndarray | None]:
        """One frame (H, W, 3) uint8 of each environment, rendered in its own thread."""
        return self._on_all(lambda i: self.envs[i].render())

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute of each environment, looked for through its wrappers. Raises `AttributeError`."""
        try:
            return self._on_all(lambda i: self.envs[i].get_wrapper_attr(attr_name), self._get_indices(indices))
        except EnvironmentFailure as failure:
            # Stable-Baselines3 asks for what may not be there.
            if isinstance(failure.__cause__, AttributeError):
                raise failure.__cause__ from None
            raise

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set the attribute where a wrapper or the environment has it."""
        self._on_all(lambda i: self.envs[i].set_wrapper_attr(attr_name, value), self._get_indices(indices))

    def env_method(self, method_name: str, *args: Any, indices: VecEnvIndices = None, **kwargs: Any) -> list[Any]:
        """Call a method of each environment, in its thread."""
        call = lambda i: self.envs[i].get_wrapper_attr(method_name)(*args, **kwargs)  # noqa: E731
        return self._on_all(call, self._get_indices(indices))

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        """Whether each environment has this wrapper somewhere."""
        from stable_baselines3.common.env_util import is_wrapped

        return [is_wrapped(self.envs[i], wrapper_class) for i in self._get_indices(indices)]
