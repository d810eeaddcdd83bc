"""The three arms of chapter 05: the recipe's bursts, none, and a curriculum in their place, all else equal.

    config = arm_config("curriculum", seed=0, total_steps=120_000)

Every arm has Push's parts (mirror, matched goals, acting on achieved goals). What they differ in is how the first
grasps come about: by random actions that last, by chance alone, or by goals and objects that begin near the gripper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from common.errors import UserError, closest
from configs.recipes import FOLDER, load_recipe
from configs.sweep import SIZES
from configs.train_config import TrainConfig

ENV, DENSE = "FetchPickAndPlace-v4", "FetchPickAndPlaceDense-v4"
RECIPE = FOLDER / f"sac_her_{ENV}.yaml"
# What takes the bursts out of the recipe: every step's random action is drawn by itself.
NO_BURSTS = {"action_persistence": 1.0, "noise_beta": 0.0}
ARMS: dict[str, dict[str, Any]] = {"bursts": {}, "none": NO_BURSTS, "curriculum": NO_BURSTS}
# Long enough for the recipe to cross 95% on every measured seed.
STEPS, DENSE_STEPS = 120_000, 80_000


@dataclass(frozen=True)
class Schedule:
    """Where a curriculum begins, and when it widens; it ends with the task's own distribution."""

    goal_range: float = 0.05
    """Goals begin within this distance (m) of the gripper's start along x and y."""
    object_range: float = 0.11
    """The object begins within this distance (m) of the gripper's start along x and y."""
    air_fraction: float = 0.5
    """Share of goals in the air at the beginning."""
    goal_height: float = 0.1
    """Greatest height (m) of these above the table at the beginning."""
    stages: int = 5
    """Steps from there to the task's own distribution."""
    threshold: float = 0.3
    """Rate of success of exploring episodes that widens it."""
    window: int = 80
    """Newest training episodes of which that is asked."""


def check_arm(name: str) -> None:
    """Raise `UserError` with the nearest name unless `name` is an arm."""
    if name not in ARMS:
        raise UserError(f"unknown arm {name!r}; known: {', '.join(ARMS)}.{closest(name, ARMS)}")


def arm_names(text: str) -> list[str]:
    """The arms of a list as it is typed, `none,curriculum`. Raises `UserError`."""
    names = [word.strip() for word in text.split(",")]
    for name in names:
        check_arm(name)
    return names


def arm_config(arm: str, seed: int, total_steps: int | None = None, smoke: bool = False) -> TrainConfig:
    """SAC with hindsight on sparse PickAndPlace: the recipe with what `arm` changes."""
    check_arm(arm)
    settings = ARMS[arm] | ({} if smoke else {"total_steps": STEPS if total_steps is None else total_steps})
    return TrainConfig(algo="sac", env=ENV, her=True, seed=seed, out=f"checkpoints/ch05_{arm}_seed{seed}",
                       smoke=smoke, **settings)  # fmt: skip


def dense_config(seed: int, total_steps: int | None = None, smoke: bool = False) -> TrainConfig:
    """SAC without hindsight on the dense task, with the recipe's networks, rates, bursts and mirror image."""
    length = DENSE_STEPS if total_steps is None else total_steps
    recipe = load_recipe(RECIPE)["settings"] | {"total_steps": length}
    # Distances are rewards here, and no goal is ever exchanged.
    for key in ("clip_targets", "moved_fraction", "match_desired_goals", "achieved_goal_prob"):
        recipe.pop(key)
    # A step's reward is some centimetres, a tenth of the sparse one: beside 0.05 of entropy it is not heard (LOG.md).
    recipe["ent_coef"] = 0.005
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in recipe.items()}
    if smoke:
        # A size that is named would count as a flag, which smoke mode leaves as it is.
        settings = {key: value for key, value in settings.items() if key not in SIZES}
    return TrainConfig(algo="sac", env=DENSE, seed=seed, out=f"checkpoints/ch05_dense_seed{seed}",
                       smoke=smoke, **settings)  # fmt: skip
