"""One run with hindsight or without it, all else equal: the settings of the recipe with hindsight serve for both.

A run without `--her` has no recipe of its own on the sparse tasks, and with the defaults it would differ in many things
at once. Whatever such a comparison showed would not be hindsight.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from common.errors import UserError, closest
from configs.recipes import FOLDER, load_recipe, recipe_name
from configs.sweep import SIZES
from configs.train_config import TrainConfig

STRATEGIES = ("future", "final", "episode")
# As in configs/sweeps/ch04_reach.json and ch04_push.json; other tasks take the recipe's.
STEPS = {"FetchReach-v4": 8_000, "FetchPush-v4": 60_000}


@dataclass(frozen=True)
class Changes:
    """What a run of chapter 04 changes of the recipe."""

    total_steps: int | None = None
    """Environment steps; by default those of the chapter's comparison."""
    n_sampled_goal: int | None = None
    """Relabelled transitions for each original one, with hindsight."""
    strategy: str | None = None
    """Which achieved goals replace the desired one, with hindsight: future, final or episode."""
    learning_starts: int | None = None
    """Random steps before the first update."""

    def settings(self, env: str) -> dict[str, Any]:
        """The settings of train.py by their names there, without those that are left as they are."""
        if self.strategy is not None:
            check_strategy(self.strategy)
        length = STEPS.get(env) if self.total_steps is None else self.total_steps
        named = {
            "her_goal_selection_strategy": self.strategy, "her_n_sampled_goal": self.n_sampled_goal,
            "learning_starts": self.learning_starts, "total_steps": length,
        }  # fmt: skip
        return {key: value for key, value in named.items() if value is not None}

    def without_relabelling(self) -> Changes:
        """The same for a run without hindsight."""
        return dataclasses.replace(self, n_sampled_goal=None, strategy=None)


def check_strategy(name: str) -> None:
    """Raise `UserError` with the nearest strategy unless `name` is one."""
    if name not in STRATEGIES:
        raise UserError(f"unknown strategy {name!r}; known: {', '.join(STRATEGIES)}.{closest(name, STRATEGIES)}")


def values_of(strategies: str, ratios: str) -> list[tuple[str, int]]:
    """All pairs of a strategy and a ratio, each list as it is typed: `future,final` and `2,4,8`.

    Raises `UserError` on an unknown strategy, and on a ratio that is no whole number above 0.
    """
    names = [name.strip() for name in strategies.split(",")]
    for name in names:
        check_strategy(name)
    if not all(k.strip().isdecimal() and int(k) > 0 for k in ratios.split(",")):
        raise UserError(f"--nsg-values {ratios}: give whole numbers above 0, such as 2,4,8.")
    return [(name, int(k)) for name in names for k in ratios.split(",")]


def sparse_tasks() -> list[str]:
    """The tasks that have a recipe with hindsight."""
    return sorted(path.stem.removeprefix("sac_her_") for path in FOLDER.glob("sac_her_*.yaml"))


def run_name(env: str, her: bool, seed: int, changes: Changes) -> str:
    """`sac_her_FetchPush-v4_nsg8_seed0`: the run's files are named so; nothing is said of what is as in the recipe."""
    parts = [recipe_name("sac", env, her), changes.strategy]
    parts += [f"nsg{changes.n_sampled_goal}" if changes.n_sampled_goal is not None else None]
    parts += [f"start{changes.learning_starts}" if changes.learning_starts is not None else None, f"seed{seed}"]
    return "_".join(part for part in parts if part)


def run_config(env: str, her: bool, seed: int, changes: Changes | None = None, smoke: bool = False) -> TrainConfig:
    """SAC on the sparse task `env`, with the settings of the recipe with hindsight but for `changes`.

    Raises `UserError` where the task has no such recipe, and where a run without hindsight is told how to relabel.
    """
    changes = changes or Changes()
    path = FOLDER / f"{recipe_name('sac', env, True)}.yaml"
    if not path.exists():
        known = sparse_tasks()
        raise UserError(f"no recipe with hindsight for {env}; known: {', '.join(known)}.{closest(env, known)}")
    if not her and changes != changes.without_relabelling():
        raise UserError("--n-sampled-goal and --strategy say how to relabel; they need --her.")
    # With hindsight, `train.py` finds the recipe itself.
    settings = ({} if her else load_recipe(path)["settings"]) | changes.settings(env)
    if smoke:
        # A size that is named would count as a flag, which smoke mode leaves as it is.
        settings = {key: value for key, value in settings.items() if key not in SIZES}
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    out = f"checkpoints/{run_name(env, her, seed, changes)}"
    return TrainConfig(algo="sac", env=env, her=her, seed=seed, out=out, smoke=smoke, **settings)
