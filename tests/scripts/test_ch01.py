"""The script of chapter 01: reports that it writes, differences that it finds, and where it stops."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
import pytest
from chapter import _Mode

import envs.anatomy
import envs.make
from analysis.reports import DataReport, EvalReport, load
from common.errors import UserError
from envs.make import FETCH_IDS, make_env
from eval import EvalConfig, evaluate

SCRIPT = "ch01_env_anatomy"

ROOT = Path(__file__).resolve().parents[2]
SMOKE = _Mode(smoke=True)


class Wrong(gym.Wrapper):
    """Rewards that `compute_reward` knows nothing of."""

    def step(self, action: Any) -> Any:
        seen, reward, terminated, truncated, info = self.env.step(action)
        return seen, reward + 1, terminated, truncated, info


def test_describe_names_every_entry(script: ModuleType, tmp_path: Path) -> None:
    assert script.describe(json_out=str(tmp_path / "d.json")) == 0
    data = load(tmp_path / "d.json", DataReport).data
    assert tuple(data) == FETCH_IDS
    for env_id, task in data.items():
        size = 10 if "Reach" in env_id else 25
        assert [entry["index"] for entry in task["entries"]] == list(range(size))
        assert task["spaces"]["observation"] == {"shape": [size], "dtype": "float64"}
        assert task["action"]["names"] == ["dx", "dy", "dz", "gripper"]
        assert (task["max_episode_steps"], task["threshold_m"], task["dt_s"]) == (50, 0.05, 0.04)
        assert task["reward"] == ("dense" if "Dense" in env_id else "sparse")


def test_describe_of_one_task_prints_its_entries(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    script.describe(env="FetchPush-v4")
    assert "24  gripper_vel_l      m/step" in capsys.readouterr().out


def test_reward_check_agrees_on_all_tasks(script: ModuleType, tmp_path: Path) -> None:
    assert script.reward_check(n_steps=55, json_out=str(tmp_path / "r.json")) == 0
    data = load(tmp_path / "r.json", DataReport).data
    assert tuple(data["tasks"]) == FETCH_IDS
    assert (data["steps"], data["differences"]) == (8 * 55, 0)


def test_reward_check_finds_rewards_that_differ(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envs.make, "make_env", lambda env_id: Wrong(make_env(env_id)))
    assert script.reward_check(env="FetchReach-v4", n_steps=10) == 1
    found = envs.anatomy.compare_rewards(Wrong(make_env("FetchReachDense-v4")), 10, seed=0)
    assert found == {"one_by_one": 10, "as_a_batch": 10, "relabelled": 0, "own_goal": 0, "success": 0, "terminated": 0}


def test_reward_check_finds_a_wrong_compute_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    env = make_env("FetchPush-v4")
    right = env.unwrapped.compute_reward
    # Right for one transition, wrong for a batch of them, which is what hindsight asks for.
    monkeypatch.setattr(env.unwrapped, "compute_reward", lambda a, g, info: right(a, g, info) - (a.ndim > 1))
    found = envs.anatomy.compare_rewards(env, 10, seed=0)
    assert found["as_a_batch"] == found["relabelled"] == found["own_goal"] == 10 and found["one_by_one"] == 0


def test_random_episodes_are_those_of_eval(script: ModuleType, tmp_path: Path) -> None:
    assert script.random_episodes(n_episodes=3, json_out=str(tmp_path / "e.json")) == 0
    report = load(tmp_path / "e.json", EvalReport)
    assert report.episodes == evaluate(EvalConfig(ckpt="random", env="FetchReach-v4", n_episodes=3)).episodes
    assert report.policy == "random" and report.aggregate.success.n == 3


def test_doing_nothing_scores_a_solved_start(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    script.random_episodes(env="FetchPush-v4", policy="zero", n_episodes=1, seed=10)
    printed = capsys.readouterr().out
    assert "1 of 1 = 100.0%" in printed and "0 of 0 (no episodes)" in printed


def test_all_writes_the_reports_that_the_page_shows(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script.chapter, "call", lambda *words: 0)
    assert script.run_all(mode=SMOKE) == 0
    names = {path.name for path in script.chapter.smoke_folder.iterdir()}
    assert names == {f"{n}.json" for n in ("env_describe", "reward_check", "random_reach", "random_push", "zero_push",
                                           "all")}  # fmt: skip
    assert len(load(script.chapter.smoke_folder / "all.json", DataReport).data["steps"]) == 8
    assert "bash docker/dev.sh python train.py" in capsys.readouterr().out
    assert not list(Path.cwd().iterdir())


@pytest.mark.parametrize("steps", [0, -5])
def test_no_steps_are_refused(script: ModuleType, steps: int) -> None:
    with pytest.raises(UserError, match="at least one step"):
        script.reward_check(env="FetchReach-v4", n_steps=steps)


def test_a_task_that_is_not_fetch_is_refused(script: ModuleType) -> None:
    with pytest.raises(UserError, match="no Fetch task"):
        script.describe(env="Pendulum-v1")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("describe --env FetchPsh-v4", "error: unknown environment FetchPsh-v4. Did you mean FetchPush-v4?"),
        ("describ", "error: Unrecognized options: describ. Did you mean describe?"),
        ("reward-check --n-step 5", "error: Unrecognized options: --n-step, 5. Did you mean --n-steps?"),
    ],
)
def test_mistakes_are_one_line(words: str, error: str) -> None:
    program = [sys.executable, "scripts/ch01_env_anatomy.py"]
    done = subprocess.run([*program, *words.split()], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr.strip()) == (2, error)


def test_figures_are_written(tmp_path: Path, commands: Any) -> None:
    """In a fresh process they are drawn by `all`, on the page."""
    done = commands(["scripts/ch01_figures.py", "--out-dir", str(tmp_path), "--smoke"], ROOT)
    assert done.status == 0, done.stderr
    figures = [Path(line) for line in done.stdout.splitlines()]
    assert {"ch01_action_response.png", "ch01_start_distances.png"} <= {figure.name for figure in figures}
    assert all(figure.read_bytes().startswith(b"\x89PNG") for figure in figures)
    assert {figure.parent for figure in figures} == {tmp_path}
