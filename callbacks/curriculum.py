"""A curriculum: training begins with near goals and near objects, and widens to the task's own as the policy succeeds.

    start = Distribution(goal_range=0.05, object_range=0.11, air_fraction=0.1, goal_height=0.1)
    train.run(config, callbacks=[Curriculum(start, PICK_AND_PLACE)])

Evaluations keep the task's own distribution, so that the curve of a run with a curriculum can be compared with one
without. The level moves only between segments, in every environment at once, from a state that the checkpoint holds: a
continued run equals an uninterrupted one bit for bit.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from callbacks.base import RunCallback
from common.errors import UserError
from configs.pick_and_place import Schedule
from envs.distributions import FIELDS, Distribution

# What the tasks draw from by themselves (gymnasium-robotics 1.4.2).
REACH = Distribution(goal_range=0.15)
PUSH = Distribution(goal_range=0.15, object_range=0.15)
PICK_AND_PLACE = Distribution(goal_range=0.15, object_range=0.15, air_fraction=0.5, goal_height=0.45)


def between(start: Distribution, end: Distribution, level: float) -> Distribution:
    """The distribution at `level` from 0 (start) to 1 (end): each field that both name moves in a straight line."""
    values = {}
    for name in FIELDS:
        first, last = getattr(start, name), getattr(end, name)
        if first is not None and last is not None:
            # d(λ) = (1 − λ) d₀ + λ d₁
            values[name] = (1.0 - level) * first + level * last
    return Distribution(**values)


class Curriculum(RunCallback):
    """Widens from `start` to `end` in `stages` steps, each after `window` training episodes of which enough succeed.

    `threshold` is the rate of success, at the last step of an episode, that counts as enough. It is asked of exploring
    episodes, which succeed less often than the policy does when it is evaluated. Raises `UserError` without a stage or
    an episode, and on a threshold that is no rate.
    """

    def __init__(
        self, start: Distribution, end: Distribution, stages: int = 5, threshold: float = 0.6, window: int = 80
    ):
        super().__init__()
        if stages < 1 or window < 1 or not 0 <= threshold <= 1:
            raise UserError(
                f"a curriculum of {stages} stages, threshold {threshold} and window {window}: at least one stage, one "
                "episode and a rate between 0 and 1 are needed."
            )
        self.start, self.end, self.stages, self.threshold, self.window = start, end, stages, threshold, window
        self.stage = 0
        self.recent: list[bool] = []
        self.widened_at: list[int] = []

    @property
    def distribution(self) -> Distribution:
        """What is drawn from now."""
        return between(self.start, self.end, self.stage / self.stages)

    def on_segment_start(self, segment: int) -> None:
        """Widen if the newest episodes say so, and tell every environment, which draws from it at its next reset.

        What the curriculum does not name stays as it is, such as an option `object_mass`.
        """
        self.widen()
        now = self.training_env.get_attr("distribution", indices=[0])[0]
        named = {name: value for name, value in dataclasses.asdict(self.distribution).items() if value is not None}
        self.training_env.env_method("set_distribution", dataclasses.replace(now, **named))

    def widen(self) -> None:
        """One stage up where the newest episodes succeeded often enough; the count begins again."""
        enough = len(self.recent) == self.window and sum(self.recent) >= self.threshold * self.window
        if enough and self.stage < self.stages:
            self.stage += 1
            self.widened_at.append(self.num_timesteps)
            self.recent = []

    def _on_step(self) -> bool:
        for done, info in zip(self.locals["dones"], self.locals["infos"], strict=True):
            if done:
                self.recent = [*self.recent, bool(info["is_success"])][-self.window :]
        self.logger.record("curriculum/level", self.stage / self.stages)
        for name, value in dataclasses.asdict(self.distribution).items():
            if value is not None:
                self.logger.record(f"curriculum/{name}", value)
        return True

    def schedule(self) -> dict[str, Any]:
        """What it was made with, as plain JSON: a continued run must have the same."""
        ends = {"start": dataclasses.asdict(self.start), "end": dataclasses.asdict(self.end)}
        return ends | {"stages": self.stages, "threshold": self.threshold, "window": self.window}

    def state(self) -> dict[str, Any]:
        """The schedule, the stage, the newest episodes, and the steps at which it widened."""
        now = {"stage": self.stage, "recent": self.recent, "widened_at": self.widened_at}
        return {"schedule": self.schedule()} | now

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`. Raises `ValueError` where another schedule made it."""
        own, then = self.schedule(), state["schedule"]
        if changed := sorted(key for key in own if own[key] != then.get(key)):
            raise ValueError(f"the curriculum has another {', '.join(changed)} than the run that is to be continued")
        self.stage, self.recent, self.widened_at = state["stage"], list(state["recent"]), list(state["widened_at"])


def of_schedule(schedule: Schedule) -> Curriculum:
    """The curriculum of PickAndPlace that `schedule` describes. Raises `UserError` on numbers that cannot be."""
    start = Distribution(schedule.goal_range, schedule.object_range, schedule.air_fraction, schedule.goal_height)
    return Curriculum(start, PICK_AND_PLACE, schedule.stages, schedule.threshold, schedule.window)
