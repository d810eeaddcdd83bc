"""What `eval.py` evaluates and in which task: a checkpoint or a controller by name, as one thing.

A checkpoint is evaluated in the task that it was trained in, wrappers included. What is wrapped on top of that, left
out or set otherwise is a perturbation, and the report says so.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

from agents.build import choose_device
from agents.checkpoint import load_policy, load_trusted, read_meta, zip_path
from agents.controllers import CONTROLLERS
from analysis.reports import Perturbation, TrainMeta
from common.errors import UserError
from common.files import meta_path, sha256
from common.registry import import_module, read_pairs
from envs.make import check_env_id, is_goal_conditioned
from envs.rollout import Policy
from envs.task import Task, bare_id, refuse_strange_modules


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for: the evaluated task, as far as it is not the checkpoint's own."""

    env_id: str
    wrap: tuple[str, ...] = ()
    env_option: tuple[str, ...] = ()
    trained_wraps: bool = True
    allow_other_env: bool = False


@dataclass(frozen=True)
class Subject:
    """Something that acts, and the task to do it in."""

    name: str
    task: Task
    make_policy: Callable[[], Policy]
    """One for each thread."""
    parallel: bool
    """Whether several may act at once. One that samples may not: it draws from PyTorch's one generator."""
    device: str
    training: dict[str, Any] | None = None
    """Facts about its training; None where it has none."""
    checkpoint_sha256: str | None = None
    perturbation: Perturbation | None = None


class SeededSampling:
    """A stochastic policy whose randomness starts afresh with each episode's seed."""

    def __init__(self, policy: Any):
        self.policy = policy

    def seed(self, seed: int) -> None:
        """Begin an episode."""
        torch.manual_seed(seed)

    def predict(self, observation: Any, deterministic: bool = False) -> tuple[Any, Any]:
        """A sampled action."""
        return self.policy.predict(observation, deterministic=deterministic)


def controller(text: str, wanted: Wanted) -> Subject:
    """The controller that `text` names (`agents/controllers.py`). Raises `UserError`."""
    text, task = CONTROLLERS.canonical(text), Task(wanted.env_id, wanted.wrap, wanted.env_option)
    with contextlib.closing(_with_goals(task)) as env:
        # Each thread's own, from spaces and constants of an environment that nobody steps.
        def make_policy() -> Policy:
            return CONTROLLERS.build(text, env)

        make_policy()
        return Subject(text, task, make_policy, parallel=True, device="cpu")


def checkpoint(
    path: str, wanted: Wanted, device: str = "cpu", deterministic: bool = True, trust: bool = False,
    modules: Sequence[str] = (),
) -> Subject:  # fmt: skip
    """The policy of a checkpoint, in the task that it was trained in unless `wanted` says otherwise.

    `trust` loads a foreign file, which runs code found in it; `modules` are imported first, and wrappers of them may
    be named by the checkpoint. Raises `UserError`.
    """
    for module in modules:
        import_module(module)
    file, device = zip_path(path), choose_device(device)
    if trust and file.exists() and not meta_path(file).exists():
        policy, task = load_trusted(file, device), Task(wanted.env_id, wanted.wrap, wanted.env_option)
        with contextlib.closing(_with_goals(task)) as env:
            _same_spaces(policy, env, f"{file.name} was trained on another task than {wanted.env_id}")
        training = perturbation = None
    else:
        meta = read_meta(file)
        trained, task, perturbation = _tasks(file.name, meta, wanted)
        with contextlib.closing(_with_goals(trained)) as env:
            policy, meta = load_policy(file, env, meta.env_id, device)
        if task != trained:
            with contextlib.closing(_with_goals(task)) as env:
                _same_spaces(policy, env, f"{file.name} does not fit {task.describe()}")
        training = {"algo": meta.config["algo"], "her": meta.config.get("her"), "seed": meta.seeds[0],
                    "status": meta.status, "steps": meta.steps, "updates": meta.updates,
                    "wall_clock_s": meta.wall_clock_s, "config_hash": meta.config_hash}  # fmt: skip

    def make_policy() -> Policy:
        # One for each thread: between the two halves of a prediction Stable-Baselines3 keeps the distribution in the
        # policy itself, and another thread's would take its place.
        own = copy.deepcopy(policy)
        return own if deterministic else SeededSampling(own)

    return Subject(
        Path(path).name, task, make_policy, deterministic, device, training, sha256(file.read_bytes()), perturbation
    )


def _tasks(name: str, meta: TrainMeta, wanted: Wanted) -> tuple[Task, Task, Perturbation | None]:
    """The task of training (as evaluations see it), the one to evaluate in, and how they differ."""
    # The module that the user names is imported here; one that only the metadata names never is.
    check_env_id(wanted.env_id)
    other = bare_id(meta.env_id or "") != bare_id(wanted.env_id)
    if other:
        _with_goals(Task(wanted.env_id)).close()
        if not wanted.allow_other_env:
            raise UserError(
                f"{name} was trained on {meta.env_id}; pass --env {meta.env_id}, or --allow-other-env for another one."
            )
    recorded = meta.config | {"env": meta.env_id if other else wanted.env_id}
    refuse_strange_modules(recorded)
    trained = Task.of_settings(recorded).for_evaluation()
    kept = trained.wrappers if wanted.trained_wraps else ()
    # Options are one environment's own; another one begins with none.
    options = ({} if other else trained.keywords) | read_pairs(wanted.env_option, "--env-option")
    evaluated = Task(wanted.env_id, (*kept, *wanted.wrap), options)
    if evaluated == trained:
        return trained, evaluated, None
    return (
        trained,
        evaluated,
        Perturbation(
            added_wrappers=list(evaluated.wrappers[len(kept) :]),
            left_out_wrappers=[] if wanted.trained_wraps else list(trained.wrappers),
            trained_options=list(trained.options),
            trained_on=meta.env_id if other else None,
        ),
    )


def _with_goals(task: Task) -> gym.Env:
    """An environment of `task`. Raises `UserError` where success and distances are not defined on it."""
    env = task.make()
    if not is_goal_conditioned(env.unwrapped):
        env.close()
        raise UserError(f"{task.env_id} is not goal-conditioned: success and distances are not defined on it.")
    return env


def _same_spaces(policy: Any, env: gym.Env, what: str) -> None:
    """Raise `UserError` unless `policy` acts on the spaces of `env`."""
    if (policy.observation_space, policy.action_space) != (env.observation_space, env.action_space):
        raise UserError(f"{what}: its spaces differ.")
