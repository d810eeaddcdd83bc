"""The curriculum: what it draws from, when it widens, and that a continued run is the same run."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from stable_baselines3.common.callbacks import BaseCallback

from callbacks.base import RunCallback
from callbacks.curriculum import PICK_AND_PLACE, REACH, Curriculum, between
from common.errors import UserError
from envs.distributions import Distribution
from envs.make import make_env
from envs.task import Task
from tests.contract.runs import assert_same_run, meta
from train import TrainConfig, run

NEAR = Distribution(goal_range=0.02)


def test_each_field_moves_in_a_straight_line_from_start_to_end() -> None:
    start = Distribution(goal_range=0.05, object_range=0.11, air_fraction=0.1, goal_height=0.05)
    assert between(start, PICK_AND_PLACE, 0.0) == start
    assert between(start, PICK_AND_PLACE, 1.0) == PICK_AND_PLACE
    middle = between(start, PICK_AND_PLACE, 0.5)
    assert middle.goal_range == pytest.approx(0.1) and middle.air_fraction == pytest.approx(0.3)


@pytest.mark.parametrize(("task", "end"), [("FetchReach-v4", REACH), ("FetchPickAndPlace-v4", PICK_AND_PLACE)])
def test_the_last_stage_is_the_task_itself(task: str, end: Distribution) -> None:
    env, plain = make_env(task), make_env(task)
    env.unwrapped.set_distribution(end)
    for seed in range(10):
        a, b = env.reset(seed=seed)[0], plain.reset(seed=seed)[0]
        assert all(np.array_equal(a[key], b[key]) for key in a)


def test_what_it_does_not_name_stays_as_the_options_say() -> None:
    curriculum = Curriculum(NEAR, Distribution(goal_range=0.1))
    env = Task("FetchPush-v4", options={"object_mass": 3, "goal_range": 0.12}).make_vec(2)
    curriculum.model = SimpleNamespace(get_env=lambda: env)
    curriculum.on_segment_start(0)
    assert env.get_attr("distribution") == [Distribution(goal_range=0.02, object_mass=3)] * 2
    env.close()


class Cut(BaseCallback):
    """Ends the run as a signal would, at a step in the middle of a segment."""

    def _on_step(self) -> bool:
        return self.num_timesteps < 1000


class Drawn(RunCallback):
    """What each environment draws from, segment by segment."""

    def __init__(self) -> None:
        super().__init__()
        self.by_segment: list[list[Distribution]] = []

    def on_segment_start(self, segment: int) -> None:
        self.by_segment.append(self.training_env.get_attr("distribution"))


def config(out: Path, **other: Any) -> TrainConfig:
    known = {"total_steps": 1600, "checkpoint_every": 400, "eval_every": 800, "eval_episodes": 2, "track": "none"}
    known |= {"env": "FetchReach-v4"}
    return TrainConfig(algo="sac", her=True, out=str(out), device="cpu", **known | other)


def curriculum() -> Curriculum:
    """Widens at every segment: each begins with more than eight finished episodes."""
    return Curriculum(NEAR, REACH, stages=4, threshold=0.0, window=8)


def test_it_widens_in_every_environment_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    whole, drawn = curriculum(), Drawn()
    run(config(tmp_path / "whole"), callbacks=[whole, drawn])
    assert all(len(found) == 8 and len(set(found)) == 1 for found in drawn.by_segment)
    ranges = [found[0].goal_range for found in drawn.by_segment]
    assert ranges[0] == NEAR.goal_range and ranges == sorted(ranges) and ranges[-1] > ranges[0]
    assert whole.stage == 3 and len(whole.widened_at) == whole.stage
    assert all(steps % 400 == 0 for steps in whole.widened_at)
    assert run(config(tmp_path / "cut"), callbacks=[curriculum(), Cut()]).status == "interrupted"
    continued = curriculum()
    assert run(config(tmp_path / "cut"), callbacks=[continued]).resumed == 1
    assert continued.state() == whole.state()
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    assert run(config(tmp_path / "without")).weights_sha256 != meta(tmp_path / "whole")["weights_sha256"]


def test_it_widens_on_pick_and_place_and_another_schedule_is_refused(tmp_path: Path) -> None:
    """All four fields reach every environment, and a run cannot be continued under other rules than it began with."""
    start = Distribution(goal_range=0.05, object_range=0.11, air_fraction=0.25, goal_height=0.1)
    small = {"env": "FetchPickAndPlace-v4", "n_envs": 2, "total_steps": 400, "checkpoint_every": 100, "eval_every": 0,
             "gradient_steps": 1, "batch_size": 16, "learning_starts": 200}  # fmt: skip
    drawn = Drawn()
    made = Curriculum(start, PICK_AND_PLACE, stages=2, threshold=0.0, window=2)

    class Early(BaseCallback):
        def _on_step(self) -> bool:
            return self.num_timesteps < 350

    assert run(config(tmp_path / "a", **small), callbacks=[made, drawn, Early()]).status == "interrupted"
    levels = [between(start, PICK_AND_PLACE, level) for level in (0.0, 0.5, 1.0, 1.0)]
    assert drawn.by_segment == [[one, one] for one in levels]
    other = Curriculum(start, PICK_AND_PLACE, stages=2, threshold=0.5, window=2)
    with pytest.raises(UserError, match="another threshold"):
        run(config(tmp_path / "a", **small), callbacks=[other])
    same = Curriculum(start, PICK_AND_PLACE, stages=2, threshold=0.0, window=2)
    assert run(config(tmp_path / "a", **small), callbacks=[same]).status == "finished"
    assert same.widened_at == [100, 200]


@pytest.mark.parametrize("wrong", [{"stages": 0}, {"threshold": 1.5}, {"window": 0}])
def test_a_schedule_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="at least one stage"):
        Curriculum(NEAR, REACH, **wrong)
