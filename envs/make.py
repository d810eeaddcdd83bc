"""Making an environment by its id: `make_env("FetchPush-v4")`, with one clear line where that cannot be.

To add an environment of your own, register it with Gymnasium (`gymnasium.register`); anything in its registry works
here, and hindsight works on it where it is goal-conditioned (dictionary observations and a `compute_reward`).
"""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym

from common.errors import UserError, closest
from envs.rendering import choose_backend
from wrappers.recording import RecordAppliedAction

TASKS = ("FetchReach", "FetchPush", "FetchSlide", "FetchPickAndPlace")
FETCH_IDS = tuple(f"{task}{reward}-v4" for task in TASKS for reward in ("", "Dense"))
GOAL_KEYS = ("observation", "achieved_goal", "desired_goal")


@functools.cache
def register() -> None:
    """Put the Fetch tasks into Gymnasium's registry, without the notes about other robots that the import prints."""
    with contextlib.suppress(ImportError):
        # What the package prints about its Adroit hands at import comes from this dictionary.
        from farama_notifications import notifications

        notifications.pop("gymnasium_robotics", None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import gymnasium_robotics
        # MuJoCo loads the backend that MUJOCO_GL names while it is imported, and fails with it in many ways.
        except Exception:
            _replace_backend()
            import gymnasium_robotics

        gym.register_envs(gymnasium_robotics)


def _replace_backend() -> None:
    """Where MUJOCO_GL names a backend that cannot be loaded, take one that can, or none: training needs no pictures."""
    wanted = os.environ.get("MUJOCO_GL")
    if not wanted:
        raise
    backend, _ = choose_backend()
    print(f"MUJOCO_GL={wanted} does not work here; going on with {backend or 'no rendering'}", file=sys.stderr)
    # PyOpenGL has settled on the backend that failed, and asks only once.
    for name in [name for name in sys.modules if name.split(".")[0] == "OpenGL"]:
        del sys.modules[name]


def check_env_id(env_id: str) -> None:
    """Raise `UserError` with the nearest known id unless `env_id` can be made."""
    register()
    if env_id in FETCH_IDS:
        return
    task, _, version = env_id.rpartition("-v")
    if f"{task}-v4" in FETCH_IDS and version.isdigit():
        raise UserError(f"{env_id}: only v4 of the Fetch tasks is supported (v3 resets wrongly); use {task}-v4.")
    if env_id not in gym.registry:
        own = [name for name in gym.registry if not name.startswith("Fetch")]
        raise UserError(f"unknown environment {env_id}.{closest(env_id, [*FETCH_IDS, *own])}")


def is_goal_conditioned(env: gym.Env) -> bool:
    """Whether observations are the dictionaries that hindsight needs, with a reward that can be computed again."""
    space = env.observation_space
    return (
        isinstance(space, gym.spaces.Dict)
        and all(key in space.spaces for key in GOAL_KEYS)
        and hasattr(env.unwrapped, "compute_reward")
    )


def episode_length(env_id: str) -> int | None:
    """Steps until the time limit of `env_id`; None where it has none."""
    check_env_id(env_id)
    return gym.spec(env_id).max_episode_steps


def make_env(
    env_id: str,
    render_mode: str | None = None,
    wrappers: Sequence[Callable[[gym.Env], gym.Env]] = (),
    **options: Any,
) -> gym.Env:
    """One environment, its time limit included (the end of time is a truncation, never a termination).

    `wrappers` go around it in the order given. Innermost stands `RecordAppliedAction`, so that metrics see the action
    that reached the simulator. `options` go to the environment (`width` and `height` of rendered frames in pixels, …).
    Raises `UserError` on an unknown id, and on one that needs a package which is not here.
    """
    check_env_id(env_id)
    spec = env_id
    if env_id in FETCH_IDS:
        # Not at the top: the import of gymnasium_robotics must come after `register` has quietened it.
        from envs.fetch import indexed_spec

        spec = indexed_spec(env_id)
    try:
        env: gym.Env = gym.make(spec, render_mode=render_mode, disable_env_checker=True, **options)
    except (gym.error.Error, ImportError) as error:
        raise UserError(f"{env_id} cannot be made here: {str(error).splitlines()[0]}") from None
    env = RecordAppliedAction(env)
    for wrap in wrappers:
        env = wrap(env)
    return env


def make_upstream(env_id: str) -> gym.Env:
    """The same task as gymnasium-robotics makes it, to compare with. Raises `UserError` on an unknown id."""
    check_env_id(env_id)
    return gym.make(env_id, disable_env_checker=True)
