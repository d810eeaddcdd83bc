"""Many training environments in one process, as a Stable-Baselines3 `VecEnv`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Literal

import gymnasium as gym
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

from common.errors import UserError
from envs.make import check_env_id, make_env, make_upstream
from envs.thread_vec_env import ThreadVecEnv

VecKind = Literal["threads", "dummy", "subproc"]


def make_vec_env(
    env_id: str,
    n_envs: int,
    kind: VecKind = "threads",
    wrappers: Sequence[Callable[[gym.Env], gym.Env]] = (),
) -> VecEnv:
    """`n_envs` environments by id; see `vectorise`. Raises `UserError` on bad arguments."""
    check_env_id(env_id)
    return vectorise(functools.partial(make_env, env_id, wrappers=wrappers), n_envs, kind)


def vectorise(make_one: Callable[[], gym.Env], n_envs: int, kind: VecKind = "threads") -> VecEnv:
    """`n_envs` environments behind one `step`; observations are dictionaries of arrays with `n_envs` rows.

    `threads` steps them on all cores in this process (`thread_vec_env.py`). Stable-Baselines3's own, to compare with:
    `dummy` steps them in turn, `subproc` gives each a process, to which relabelling sends its rewards through a pipe.
    All three give the same numbers. Raises `UserError` on bad arguments.
    """
    if n_envs < 1:
        raise UserError(f"--n-envs {n_envs}: at least one environment is needed.")

    def make() -> gym.Env:
        return Monitor(make_one())

    if kind == "subproc":
        # A fork of a process that has run PyTorch can deadlock in its thread pools.
        return SubprocVecEnv([make] * n_envs, start_method="spawn")
    if kind == "dummy":
        return DummyVecEnv([make] * n_envs)
    return ThreadVecEnv([make] * n_envs)


def make_stock_vec_env(env_id: str, n_envs: int, kind: Literal["dummy", "subproc"]) -> VecEnv:
    """The task as gymnasium-robotics makes it, in Stable-Baselines3's own `VecEnv`s: what there is without us.

    Raises `UserError` on an unknown id.
    """
    check_env_id(env_id)
    # No closure: a worker process must be able to import what it makes.
    make = [functools.partial(make_upstream, env_id)] * n_envs
    return DummyVecEnv(make) if kind == "dummy" else SubprocVecEnv(make, start_method="spawn")
