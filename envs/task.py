"""A task as one value: an environment's id, the wrappers around it by name, and its options.

    task = Task("FetchPush-v4", wrappers=("lowpass:alpha=0.3", "obs_noise:std=0.01"), options={"goal_range": 0.1})
    env, many = task.make(), task.make_vec(8)

It is plain frozen data: it enters settings, configuration hash, metadata and reports, can be pickled and hashed, and
two tasks that mean the same are equal (`lowpass` is written out with its default arguments).
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from common.errors import UserError
from common.registry import Spec, fits, read_pairs, split_module, write_pairs
from envs.make import check_env_id, episode_length, is_goal_conditioned, make_env
from envs.rendering import require_backend
from wrappers.registry import WRAPPERS, draws, is_training_only, wrap

if TYPE_CHECKING:
    from stable_baselines3.common.vec_env import VecEnv

    from envs.vector import VecKind

LONGEST_EPISODE = 100_000


@dataclass(frozen=True)
class Task:
    """What is acted in. Raises `UserError` on an unknown id, wrapper or argument.

    `wrappers` go around the environment in this order, the first one innermost. `options` are keyword arguments of the
    environment, given as a mapping or as `key=value` texts, and kept as texts in the order of their keys.
    """

    env_id: str
    wrappers: tuple[str, ...] = ()
    options: Any = ()

    def __post_init__(self) -> None:
        check_env_id(self.env_id)
        given = self.options if isinstance(self.options, Mapping) else read_pairs(self.options, "--env-option")
        object.__setattr__(self, "options", write_pairs(dict(sorted(given.items()))))
        limit = given.get("max_episode_steps", 1)
        if not fits(limit, int) or not 1 <= limit <= LONGEST_EPISODE:
            raise UserError(f"--env-option max_episode_steps={limit}: a number from 1 to {LONGEST_EPISODE} is needed.")
        object.__setattr__(self, "wrappers", tuple(WRAPPERS.canonical(text) for text in self.wrappers))

    @classmethod
    def of_settings(cls, settings: Mapping[str, Any]) -> Task:
        """The task of resolved training settings (`env`, and `wrap` and `env_option` where there are any)."""
        return cls(settings["env"], tuple(settings.get("wrap", ())), tuple(settings.get("env_option", ())))

    def settings(self) -> dict[str, Any]:
        """What `of_settings` reads, as JSON values; a task without wrappers and options is its id alone."""
        more = {"wrap": list(self.wrappers), "env_option": list(self.options)}
        return {"env": self.env_id} | {key: value for key, value in more.items() if value}

    @property
    def keywords(self) -> dict[str, Any]:
        """The options as keyword arguments."""
        return read_pairs(self.options, "--env-option")

    def make(self, render_mode: str | None = None, **view: Any) -> gym.Env:
        """One environment; `view` are further options, such as the size of rendered frames. Raises `UserError`."""
        for text in filter(draws, self.wrappers):
            require_backend(f"--wrap {text.split(':')[0]}")
        around = [functools.partial(wrap, text=text) for text in self.wrappers]
        return make_env(self.env_id, render_mode, around, **self.keywords | view)

    def make_vec(self, n_envs: int, kind: VecKind = "threads") -> VecEnv:
        """`n_envs` of them for training; see `envs/vector.py`. Raises `UserError`."""
        from envs.vector import vectorise

        return vectorise(self.make, n_envs, kind)

    @property
    def episode_length(self) -> int | None:
        """Steps until the time limit; None where there is none."""
        return self.keywords.get("max_episode_steps") or episode_length(self.env_id)

    def is_goal_conditioned(self) -> bool:
        """Whether it has goals, and rewards that can be computed again; makes an environment to find out."""
        with contextlib.closing(self.make()) as env:
            return is_goal_conditioned(env)

    def for_evaluation(self) -> Task:
        """The task that a policy is judged by: without the wrappers that only choose what training sees."""
        return replace(self, wrappers=tuple(text for text in self.wrappers if not is_training_only(text)))

    def describe(self) -> str:
        """In a line: `FetchPush-v4 with goal_range=0.1 in lowpass:alpha=0.3`."""
        options = f" with {', '.join(self.options)}" if self.options else ""
        return self.env_id + options + "".join(f" in {text}" for text in self.wrappers)


def bare_id(env_id: str) -> str:
    """The id without the module that registers it."""
    return split_module(env_id)[1]


def refuse_strange_modules(settings: Mapping[str, Any]) -> None:
    """Raise `UserError` where a recorded task would import a module that is not here already.

    A checkpoint's metadata may come from a stranger, and an import runs code: the user names the module, not the file.
    """
    wrappers, options, encoder = settings.get("wrap", ()), settings.get("env_option", ()), settings.get("encoder")
    for texts in (wrappers, options):
        if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
            raise UserError("the checkpoint's metadata does not say what its task is.")
    modules = [split_module(settings["env"])[0], *(Spec.read(text, "wrapper").module for text in wrappers)]
    if isinstance(encoder, str):
        modules.append(Spec.read(encoder, "encoder").module)
    for module in modules:
        if module and module not in sys.modules:
            raise UserError(f"the checkpoint was trained with module {module}; add --modules {module} if you trust it.")
