"""Push from pixels, end to end and very small: nothing leaks into an action, and a killed run continues bit for bit."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.checkpoint import load_policy
from envs.rendering import choose_backend
from envs.task import Task
from tests.contract.runs import assert_same_run
from train import TrainConfig, run

pytestmark = pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
ENV = "FetchPush-v4"
SMALL = {
    "algo": "sac", "env": ENV, "her": True, "total_steps": 20, "n_envs": 2, "checkpoint_every": 10, "eval_every": 0,
    "learning_starts": 10, "gradient_steps": 1, "buffer_size": 60, "batch_size": 8, "net_arch": (8,), "device": "cpu",
    "track": "none", "wrap": ("pixels:size=24,frames=2",), "env_option": ("max_episode_steps=5",), "augment": "shift",
    "mirror": False,
}  # fmt: skip


TOLD = {
    "backend": "asymmetric", "wrap": ("pixels:size=24,frames=2,truth=true",), "encoder": "spatial:points=4",
    "critic_steps": 2,
}  # fmt: skip
LOCATING = {
    "backend": "locating", "encoder": "locating:trunk=manipulation,features=5", "augment": "none", "mirror": True,
    "first_lessons": 3, "lesson_every": 2,
}  # fmt: skip
LEARNERS: dict[str, dict[str, Any]] = {
    "manipulation": {"encoder": "manipulation:features=5"}, "spatial": {"encoder": "spatial:points=4,bf16=true"},
    "asymmetric": TOLD, "locating": LOCATING,
}  # fmt: skip


@pytest.fixture(scope="module", params=LEARNERS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A policy and an environment of its task."""
    folder, settings = tmp_path_factory.mktemp("pixels"), SMALL | LEARNERS[request.param]
    run(TrainConfig(**settings, out=str(folder / "a")))
    task = Task(ENV, settings["wrap"], settings["env_option"])
    with contextlib.closing(task.make()) as env:
        yield load_policy(folder / "a.zip", env, ENV, "cpu")[0], env


def test_the_achieved_goal_never_changes_an_action(trained: Any) -> None:
    policy, env = trained
    for seed in range(3):
        shown = env.reset(seed=seed)[0]
        action = policy.predict(shown, deterministic=True)[0]
        if "truth" in shown:
            told = shown | {"truth": shown["truth"] + 1e3}
            np.testing.assert_array_equal(policy.predict(told, deterministic=True)[0], action)
        for lie in (np.zeros(3), shown["desired_goal"], np.full(3, 1e3)):
            np.testing.assert_array_equal(policy.predict(shown | {"achieved_goal": lie}, deterministic=True)[0], action)
        # What it may see does change it.
        for key in ("pixels", "observation", "desired_goal"):
            other = policy.predict(shown | {key: shown[key] // 2 if key == "pixels" else shown[key] + 0.1})[0]
            assert not np.array_equal(other, action), key


def test_the_objects_part_of_the_state_never_changes_an_action(trained: Any) -> None:
    """The simulator's own observation is falsified under the wrapper: the picture stays, and so does the action."""
    policy, env = trained
    inner = env.unwrapped
    honest = inner._get_obs

    def lie() -> dict[str, np.ndarray]:
        state = honest()
        state["observation"][[3, 4, 5, 6, 7, 8, *range(11, 20)]] = 7.0
        return state | {"achieved_goal": np.full(3, -7.0)}

    actions = []
    for look in (honest, lie):
        inner._get_obs = look
        shown = env.reset(seed=4)[0]
        actions.append(policy.predict(shown, deterministic=True)[0])
    del inner._get_obs
    assert env.get_wrapper_attr("state")["observation"][3] == 7.0
    np.testing.assert_array_equal(*actions)


@pytest.mark.parametrize(
    "how", [{"encoder": "nature:features=5", "wrap": ("pixels:size=40,frames=2",)}, TOLD, LOCATING]
)
def test_killed_and_continued_equals_undisturbed(how: dict[str, Any], tmp_path: Path, commands: Any) -> None:
    settings = SMALL | how
    flags = " ".join(f"--{key.replace('_', '-')}={value}" for key, value in settings.items()
                     if key not in ("her", "net_arch", "wrap", "env_option"))  # fmt: skip
    wrap, option = settings["wrap"][0], settings["env_option"][0]
    command = f"train {flags} --her --net-arch 8 --wrap {wrap} --env-option {option}"
    assert commands(f"{command} --out whole", tmp_path).status == 0
    assert commands(f"{command} --out cut", tmp_path, setup="at_step(16, send(9))").status == -9
    assert commands(f"{command} --out cut", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_a_goal_in_the_picture_needs_no_goal_in_the_observation(tmp_path: Path) -> None:
    wrap = ("pixels:goal_mode=none,size=24,proprioception=false",)
    changes = {"her": False, "env": "FetchReachDense-v4", "wrap": wrap, "encoder": "manipulation:features=5"}
    meta = run(TrainConfig(**SMALL | changes, out=str(tmp_path / "a")))
    assert meta.status == "finished" and meta.updates > 0


@pytest.mark.parametrize(("backend", "words"), [("asymmetric", "truth=true"), ("locating", "--encoder locating")])
def test_learners_that_are_told_more_say_what_they_need(
    backend: str, words: str, tmp_path: Path, commands: Any
) -> None:
    command = f"train --algo sac --her --env {ENV} --wrap pixels --encoder nature --backend {backend} --out a"
    assert words in commands(command, tmp_path).one_line()


def test_hindsight_needs_goals_and_says_so(tmp_path: Path, commands: Any) -> None:
    line = commands(f"train --algo sac --her --env {ENV} --wrap pixels:goal_mode=none --encoder nature --out a",
                    tmp_path).one_line()  # fmt: skip
    assert "--her needs a goal-conditioned task" in line and "shows no achieved_goal, desired_goal." in line
    line = commands(f"train --algo sac --her --env {ENV} --wrap pixels:proprioception=false --encoder nature --out a",
                    tmp_path).one_line()  # fmt: skip
    assert "shows no observation." in line


def test_pictures_are_not_read_without_an_encoder(tmp_path: Path, commands: Any) -> None:
    line = commands(f"train --algo sac --her --env {ENV} --wrap pixels --out a", tmp_path).one_line()
    assert "pixels" in line and "--encoder" in line
    line = commands(f"train --algo sac --her --env {ENV} --backend sb3 --wrap pixels --out a", tmp_path).one_line()
    assert "achieved_goal" in line and "--encoder" in line
    line = commands("train --algo sac --her --env FetchReach-v4 --augment shift --out a", tmp_path).one_line()
    assert "--augment" in line and "--encoder" in line


def test_frames_that_do_not_fit_are_said_before_training_with_the_number_of_bytes(
    tmp_path: Path, commands: Any
) -> None:
    line = commands(
        f"train --algo sac --env {ENV} --wrap pixels:size=84 --encoder nature --total-steps 1000000000 "
        "--buffer-size 1000000000 --out a", tmp_path
    ).one_line()  # fmt: skip
    # A frame of 84 has 21,168 bytes.
    assert "1,000,000,000 transitions of 21," in line and "bytes = 21," in line and "--buffer-size" in line
    assert not list(tmp_path.glob("a*"))
