"""Making an environment by its id: `make_env("FetchPush-v4")`, with a one-line error where that is not possible.

To add an environment of your own, register it with Gymnasium (`gymnasium.register`); anything in its registry works
here, and hindsight works on it where it is goal-conditioned (dictionary observations and a `compute_reward`). On the
command line `--env my_module:MyReach-v0` imports `my_module` first, which registers it.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym

from common.errors import TrainingFailure, UserError, closest
from common.registry import import_module, split_module
from envs.rendering import choose_backend
from wrappers.hindsight import AskThroughWrappers
from wrappers.recording import RecordTruth

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
    """Raise `UserError` with the nearest known id unless `env_id` can be made; imports the module that it names."""
    register()
    if env_id in FETCH_IDS:
        return
    module, env_id = split_module(env_id)
    if module is not None:
        import_module(module)
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
        and all(isinstance(space.spaces.get(key), gym.spaces.Box) for key in GOAL_KEYS)
        and hasattr(env.unwrapped, "compute_reward")
    )


def episode_length(env_id: str) -> int | None:
    """Steps until the time limit of `env_id`; None where it has none."""
    check_env_id(env_id)
    return gym.spec(split_module(env_id)[1]).max_episode_steps


def make_env(
    env_id: str,
    render_mode: str | None = None,
    wrappers: Sequence[Callable[[gym.Env], gym.Env]] = (),
    **options: Any,
) -> gym.Env:
    """One environment, its time limit included (the end of time is a truncation, never a termination).

    `wrappers` go around it in the order given. Innermost stands `RecordTruth`, so that metrics see what really
    happened; outermost, where there are wrappers, what relabelling asks (`wrappers/hindsight.py`). `options` go to the
    environment (`reward_type`, `width` and `height` of rendered frames in pixels, …).
    Raises `UserError` on an unknown id or option, and on an id that needs a package which is not here.
    """
    check_env_id(env_id)
    spec = split_module(env_id)[1]
    if env_id in FETCH_IDS:
        # Not at the top: the import of gymnasium_robotics must come after `register` has quietened it.
        from envs.fetch import indexed_spec

        spec = indexed_spec(env_id)
    try:
        env: gym.Env = gym.make(spec, render_mode=render_mode, disable_env_checker=True, **options)
    except (UserError, TrainingFailure):
        raise
    # The environment may be the user's and fail in any way.
    except Exception as error:
        raise UserError(_why_not(env_id, options, error)) from error
    env = RecordTruth(env)
    for wrap in wrappers:
        env = wrap(env)
    return AskThroughWrappers(env) if wrappers else env


def _why_not(env_id: str, options: dict[str, Any], error: Exception) -> str:
    """One line about an environment that could not be made."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    key = re.search(r"unexpected keyword argument '(\w+)'", reason)
    if key and key[1] in options:
        return f"{env_id} has no option {key[1]}.{closest(key[1], _options_of(env_id))}"
    return f"{env_id} cannot be made here: {reason}"


def _options_of(env_id: str) -> list[str]:
    """Names of the options that the environment's classes take."""
    entry = gym.spec(split_module(env_id)[1]).entry_point
    found = {"max_episode_steps"}
    if env_id in FETCH_IDS:
        from envs.distributions import FIELDS

        found |= {"reward_type", *FIELDS}
    elif inspect.isclass(entry):
        for cls in entry.__mro__:
            found |= set(inspect.signature(cls.__init__).parameters) - {"self", "args", "kwargs"}
    return sorted(found)


def make_upstream(env_id: str) -> gym.Env:
    """The same task as gymnasium-robotics makes it, to compare with. Raises `UserError` on an unknown id."""
    check_env_id(env_id)
    return gym.make(env_id, disable_env_checker=True)
