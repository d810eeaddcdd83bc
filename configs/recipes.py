"""Recipes: the settings that were measured to work on a task, one YAML file for each task and algorithm.

A run takes each setting from the first place that names it: a flag, the recipe, the defaults. `resolve` says which.
"""

from __future__ import annotations

import dataclasses
import os
import reprlib
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from agents.settings import BACKENDS, default_backend, settings_of
from common.errors import UserError, closest
from common.files import exists
from common.knobs import defaults, names
from common.registry import fits
from configs.limits import check_ranges
from configs.train_config import RunSettings, TrainConfig

FOLDER = Path(__file__).parent
# Settings of one particular run, which no recipe may fix.
PER_RUN = {"algo", "env", "her", "seed", "out", "device", "track", "config", "overwrite", "show_settings",
           "smoke"}  # fmt: skip
TUNABLE = [field.name for field in dataclasses.fields(TrainConfig) if field.name not in PER_RUN]
RECIPE_KEYS = ("algo", "env", "her", "about", "settings", "measured")
# What the task is, beside its id; left out of a run's settings where there is nothing of the kind.
OF_TASK = ("wrap", "env_option")
OMITTED = (*OF_TASK, "encoder", "augment")
HINTS = typing.get_type_hints(TrainConfig)


@dataclass(frozen=True)
class Resolved:
    """A run's settings without gaps, and where each came from: flag, recipe, default or smoke."""

    config: TrainConfig
    sources: dict[str, str]
    recipe: str | None
    # Only the settings that this algorithm reads; what a report shows and a resumed run compares.
    settings: dict[str, Any]


def recipe_name(algo: str, env: str, her: bool) -> str:
    """`sac_her_FetchPush-v4`: the stem of the recipe's file, and of a run's default name."""
    return f"{algo}{'_her' if her else ''}_{env.split(':')[-1].replace('/', '_')}"


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping, read without building any object but plain data. Raises `UserError`."""
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read recipe {path}: {error.strerror}.") from None
    # Not only YAMLError: a bad date, a bad number, text that is not UTF-8 and deep nesting raise errors of their own.
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"recipe {path} is not plain YAML: {reason}.") from None
    if not isinstance(value, dict):
        raise UserError(f"recipe {path} holds no mapping of settings.")
    return value


def load_recipe(path: Path) -> dict[str, Any]:
    """A recipe with every key and value checked against `TrainConfig`. Raises `UserError` naming the nearest key."""
    recipe = read_yaml(path)
    for key in recipe:
        if key not in RECIPE_KEYS:
            raise UserError(f"recipe {path}: unknown key {key!r}.{closest(str(key), RECIPE_KEYS)}")
    settings = recipe.get("settings") or {}
    if not isinstance(settings, dict):
        raise UserError(f"recipe {path}: settings must be a mapping.")
    for key, value in settings.items():
        if key not in TUNABLE:
            raise UserError(f"recipe {path}: unknown setting {key!r}.{closest(str(key), TUNABLE)}")
        if value is None:
            raise UserError(f"recipe {path}: {key} has no value; give it one or leave the line out.")
        if not fits(value, HINTS[key]):
            # Not `{value!r}`: a few lines of YAML aliases can stand for a text larger than the memory.
            shown = reprlib.repr(value)[:80]
            raise UserError(f"recipe {path}: {key}: {shown} is not of the kind this setting takes.")
    return recipe | {"settings": settings}


def find_recipe(config: TrainConfig) -> Path | None:
    """The file that `--config` names, or the one for algorithm and task; None where there is no such recipe.

    Raises `UserError` where `--config` names none.
    """
    if config.config is None:
        path = FOLDER / f"{recipe_name(config.algo, config.env, config.her)}.yaml"
        return path if os.path.exists(path) else None
    if exists(config.config) and os.path.isdir(config.config):
        raise UserError(f"--config {config.config} is a folder; give a recipe.")
    for path in (Path(config.config), FOLDER / config.config, FOLDER / f"{config.config}.yaml"):
        if os.path.isfile(path):
            return path
    known = sorted(p.stem for p in FOLDER.glob("*.yaml"))
    raise UserError(f"no recipe {config.config}.{closest(config.config, known)}")


def classes_of(algo: str, her: bool, backend: str | None = None) -> tuple[type, ...]:
    """The settings classes that a run reads, with the learner `backend` (None: its algorithm's default one)."""
    return (RunSettings, *settings_of(algo, her, backend or default_backend(algo)))


def applicable(algo: str, her: bool, backend: str | None = None) -> dict[str, Any]:
    """The default of every setting that a run reads, with the learner `backend` (None: its algorithm's default one)."""
    known = {"backend": backend or default_backend(algo)} | dict.fromkeys(OF_TASK, ())
    return known | defaults(*classes_of(algo, her, backend))


def given(config: TrainConfig, key: str) -> bool:
    """Whether a flag sets `key`."""
    return getattr(config, key) is not None and (key not in OF_TASK or getattr(config, key) != ())


def of_task(config: TrainConfig) -> dict[str, tuple[str, ...]]:
    """Wrappers and options of the environment as flags or recipe name them, before anything else is resolved."""
    path = None if all(given(config, key) for key in OF_TASK) else find_recipe(config)
    recipe = load_recipe(path)["settings"] if path else {}
    return {key: getattr(config, key) if given(config, key) else tuple(recipe.get(key, ())) for key in OF_TASK}


def _smoke(values: dict[str, Any], episode: int) -> dict[str, Any]:
    """Small knobs: three rounds of episodes, two segments, a handful of updates."""
    n_envs = min(2, values["n_envs"])
    small = {
        "n_envs": n_envs,
        "total_steps": 3 * episode * n_envs,
        "checkpoint_every": 2 * episode * n_envs,
        "eval_every": 2 * episode * n_envs if values["eval_every"] else 0,
        "eval_episodes": 2,
        "batch_size": min(32, values["batch_size"]),
    }
    if "learning_starts" in values:
        small |= {"learning_starts": episode * n_envs, "gradient_steps": 1, "buffer_size": 10_000}
    if "n_epochs" in values:
        small |= {"n_steps": episode, "n_epochs": 1, "batch_size": episode}
    return small


def resolve(config: TrainConfig, episode: int = 50) -> Resolved:
    """Fill every gap of `config`. `episode` is the task's length in steps, for `--smoke`. Raises `UserError`."""
    if config.her and config.algo == "ppo":
        raise UserError("--her needs an off-policy algorithm (sac or td3): relabelled data was not made by the policy.")
    path = find_recipe(config)
    recipe = load_recipe(path) if path else {"settings": {}}
    _check_recipe_is_for(config, recipe, path)
    backend = _backend(config, recipe, path)
    known = applicable(config.algo, config.her, backend)
    _refuse_what_nothing_reads(config, recipe, path, known)
    values, sources = _from_flags_recipe_defaults(config, recipe["settings"], known)
    if config.smoke:
        small = {key: value for key, value in _smoke(values, episode).items() if sources[key] != "flag"}
        values, sources = values | small, sources | dict.fromkeys(small, "smoke")
    values |= {key: tuple(values[key]) for key in ("net_arch", *OF_TASK)}
    check_ranges(values, classes_of(config.algo, config.her, backend), config.algo, episode)
    _raise_learning_starts(config, values, sources, episode)
    _take_the_kernel_for_encoders(values, sources)
    _check_ppo(config, values)
    if not 0 <= config.seed < 2**32:
        raise UserError(f"--seed {config.seed}: must lie between 0 and {2**32 - 1}.")
    full = dataclasses.replace(config, out=_checkpoint_name(config), **values)
    settings = {key: getattr(full, key) for key in ("algo", "env", "her", "seed", "device")}
    kept = {key: value for key, value in values.items() if key not in OMITTED or value not in ((), "none")}
    settings |= {key: list(value) if isinstance(value, tuple) else value for key, value in kept.items()}
    sources = {key: source for key, source in sources.items() if key in kept}
    return Resolved(full, sources, path.stem if path else None, settings)


def _check_recipe_is_for(config: TrainConfig, recipe: dict[str, Any], path: Path | None) -> None:
    """Raise `UserError` where `--config` names a recipe of another algorithm or task."""
    for key in ("algo", "env", "her"):
        if config.config and key in recipe and recipe[key] != getattr(config, key):
            shown = reprlib.repr(recipe[key])[:80]
            raise UserError(f"recipe {path} is for {key} {shown}, this run has {getattr(config, key)}.")


def _backend(config: TrainConfig, recipe: dict[str, Any], path: Path | None) -> str | None:
    """The learner that flag or recipe name; None for the algorithm's default one. Raises `UserError`."""
    backend = config.backend or recipe["settings"].get("backend")
    if backend and config.algo not in BACKENDS[backend].algorithms:
        where = f"--backend {backend}" if config.backend else f"recipe {path}: backend {backend}"
        has = " and ".join(BACKENDS[backend].algorithms)
        raise UserError(f"{where} learns with {has}; {config.algo} runs on --backend {default_backend(config.algo)}.")
    return backend


def _refuse_what_nothing_reads(
    config: TrainConfig, recipe: dict[str, Any], path: Path | None, known: dict[str, Any]
) -> None:
    """Raise `UserError` on a flag or a recipe's setting that is not among `known`: no part of the run reads it."""
    # A recipe of our learner serves the stock one too, for comparison: what only ours reads is left out.
    only_theirs = names(*(cls for backend in BACKENDS.values() for cls in backend.settings))
    for key in BACKENDS[known["backend"]].ignores:
        if given(config, key):
            flag = key.replace("_", "-")
            raise UserError(f"--{flag} changes nothing with --backend {known['backend']}; leave it out.")
    for key in TUNABLE:
        if key in known:
            continue
        if given(config, key):
            with_her = key.startswith("her_") and not config.her and config.algo != "ppo"
            what = f"{config.algo} on --backend {known['backend']}"
            others = [name for name, backend in BACKENDS.items() if key in names(*backend.settings)]
            has_it = f"; --backend {others[0]} has it" if others and config.algo != "ppo" else ""
            why = "needs --her" if with_her else f"does not exist in {what}{has_it}"
            raise UserError(f"--{key.replace('_', '-')} {why}.")
        if key in recipe["settings"] and key not in only_theirs:
            raise UserError(f"recipe {path}: {key} does not exist in {config.algo}.")


def _from_flags_recipe_defaults(
    config: TrainConfig, recipe: dict[str, Any], known: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Each setting's value from the first place that names it, and which place that was."""
    values, sources = {}, {}
    for key in TUNABLE:
        if key not in known:
            continue
        if given(config, key):
            values[key], sources[key] = getattr(config, key), "flag"
        elif key in recipe:
            values[key], sources[key] = recipe[key], "recipe"
        else:
            values[key], sources[key] = known[key], "default"
    return values, sources


def _raise_learning_starts(config: TrainConfig, values: dict[str, Any], sources: dict[str, str], episode: int) -> None:
    """Hindsight, and our replay of whole episodes, can be sampled only once each environment has finished one."""
    whole_episodes = config.her or values["backend"] != "sb3"
    if whole_episodes and values["learning_starts"] < episode * values["n_envs"]:
        values["learning_starts"] = episode * values["n_envs"]
        sources["learning_starts"] = "raised to one episode of each environment"


def _take_the_kernel_for_encoders(values: dict[str, Any], sources: dict[str, str]) -> None:
    """Written-out gradients and the input map are for perceptrons. Raises `UserError` on a flag that asks for them."""
    inside = values["encoder"] != "none" and not BACKENDS[values["backend"]].reads_vectors
    for key in ("normalise", "relative_goal"):
        if inside and sources.get(key) == "flag":
            flag = key.replace("_", "-")
            raise UserError(
                f"--{flag} is for perceptrons: --encoder {values['encoder']} reads observations as they are."
            )
    if not inside or values.get("kernel", "autograd") == "autograd":
        return
    if sources["kernel"] != "default":
        raise UserError(f"--kernel {values['kernel']} has no encoders; use --kernel autograd.")
    values["kernel"], sources["kernel"] = "autograd", "encoder"


def _check_ppo(config: TrainConfig, values: dict[str, Any]) -> None:
    """Raise `UserError` on what PPO alone cannot use."""
    if config.algo != "ppo":
        return
    if values["ent_coef"] == "auto":
        raise UserError("--ent-coef auto: ppo has no automatic entropy coefficient; give a number.")
    if min(values["batch_size"], values["n_steps"] * values["n_envs"]) < 2:
        raise UserError("ppo normalises advantages: --batch-size and --n-steps times --n-envs must be at least 2.")


def _checkpoint_name(config: TrainConfig) -> str:
    """Where the checkpoint goes, without .zip. Raises `UserError` where that is no file name."""
    out = config.out or f"checkpoints/{recipe_name(config.algo, config.env, config.her)}_seed{config.seed}"
    out = out.removesuffix(".zip")
    # "folder/" would write folder.zip, which is not what it says.
    if os.path.basename(out) in ("", ".", ".."):
        raise UserError(f"--out {config.out}: give a file name.")
    return out
