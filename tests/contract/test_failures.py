"""A disk that fills up and numbers that are none: the run stops at once, says so in a line, and loses nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.checkpoint import read_state
from tests.contract.runs import PPO, TINY, assert_same_run, meta

LOGGED = TINY.replace("--track none", "--track tb")
TINY_PPO = TINY.replace("--algo sac --her", "--algo ppo").split(" --learning-starts")[0] + " --n-steps 10"
TINY_TD3 = TINY.replace("--algo sac", "--algo td3").replace("--ent-coef auto", "")
TINY_FAST = f"{TINY} --backend fast"
ALGORITHMS = {"sac": TINY, "td3": TINY_TD3, "ppo": TINY_PPO, "fast": TINY_FAST}
STEPS = 60


def test_a_full_disk_in_the_middle_of_a_run(tmp_path: Path, commands: Any) -> None:
    assert commands(f"{TINY} --out whole", tmp_path).status == 0
    # The limit stands between the sizes of the first checkpoint and of those that come after updates (Adam's state).
    sizes = {}
    for name in ("first", "last"):
        steps = 5 if name == "first" else 10**9
        setup = f"at_step({steps}, send(9))"
        commands(f"{TINY} --out {name}", tmp_path, setup=setup)
        sizes[name] = (tmp_path / f"{name}.zip").stat().st_size
    assert sizes["first"] < sizes["last"]
    limit = (sizes["first"] + sizes["last"]) // 2
    full = commands(f"{TINY} --out cut", tmp_path, setup=f"limit_file_size({limit})")
    line = full.one_line()
    assert "cannot write cut.zip" in line and "Free some space" in line
    assert meta(tmp_path / "cut")["status"] == "running"
    assert read_state(tmp_path / "cut.zip")["steps"] == meta(tmp_path / "cut")["steps"] == 20
    assert not [p for p in tmp_path.iterdir() if p.name.endswith(".tmp")]
    # With space again, the same command finishes the same run.
    assert commands(f"{TINY} --out cut", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("limit", [2_000, 5_000])
def test_a_full_disk_before_anything_is_written(tmp_path: Path, commands: Any, limit: int) -> None:
    done = commands(f"{TINY} --out a", tmp_path, setup=f"limit_file_size({limit})")
    assert "cannot write a." in done.one_line()
    assert not (tmp_path / "a.zip").exists()
    assert commands(f"{TINY} --out a", tmp_path).status == 0


def test_a_disk_that_fills_with_metrics(tmp_path: Path, commands: Any) -> None:
    # Nothing but the log grows beyond this, in a run of very many short segments.
    command = LOGGED.replace("--checkpoint-every 20", "--checkpoint-every 4000").replace("40", "4000", 1)
    done = commands(f"{command} --out a --net-arch 2", tmp_path, setup="limit_file_size(30000)")
    assert "File too large" in done.one_line()
    assert read_state(tmp_path / "a.zip")["steps"] == 0


@pytest.mark.parametrize("algo", ALGORITHMS)
@pytest.mark.parametrize(
    ("env", "words"),
    [
        ("TinyNanStep-v0", "observation of the environment"), ("TinyNanLast-v0", "observation of the environment"),
        ("TinyNanReset-v0", "of the environment"), ("TinyNanFirst-v0", "observation of the environment's reset"),
        ("TinyNanReward-v0", "reward"),
    ],
)  # fmt: skip
def test_nan_from_the_environment(tmp_path: Path, commands: Any, algo: str, env: str, words: str) -> None:
    command = f"{ALGORITHMS[algo].replace('TinyReach-v0', env)} --total-steps {STEPS} --out a"
    line = commands(command, tmp_path).one_line(1)
    assert line.startswith("failed: ") and words in line and "is not finite at step" in line
    assert "Last good checkpoint: a.zip" in line
    found = meta(tmp_path / "a")
    assert found["status"] == "failed" and "is not finite" in found["message"]
    assert found["steps"] == read_state(tmp_path / "a.zip")["steps"] < STEPS
    with np.load(tmp_path / "a.failed.npz") as dump:
        assert {"steps", "last.observation"} <= set(dump.files)
        assert not all(np.isfinite(dump[name]).all() for name in dump.files)
    # What was learned before is as good as ever, and the task is as bad.
    evaluated = commands(f"eval --ckpt a.zip --env {env} --seeds 0-3 --n-envs 1", tmp_path)
    assert "not finite" in evaluated.one_line(1)


# An update that leaves the weights without numbers, at the given call: with a loss that shows it, or without one.
POISON = """
import torch
from stable_baselines3 import PPO, SAC, TD3
from agents.off_policy import FastOffPolicy
count = itertools.count(1)
def spoil(cls):
    train = cls.train
    def wrapper(self, *arguments, **options):
        train(self, *arguments, **options)
        if next(count) == {call}:
            if {loss}:
                self.logger.record("train/critic_loss", float("nan"))
            else:
                # Our learner keeps its weights apart from the policy until a segment ends.
                own = self.learner.actor.flat if isinstance(self, FastOffPolicy) else next(self.policy.parameters())
                with torch.no_grad():
                    own.fill_(float("nan"))
    cls.train = wrapper
for cls in (PPO, SAC, TD3, FastOffPolicy):
    if "train" in vars(cls):
        spoil(cls)
"""


@pytest.mark.parametrize("loss", [True, False], ids=["loss", "weights"])
@pytest.mark.parametrize("algo", ALGORITHMS)
@pytest.mark.parametrize("last", [True, False], ids=["last-update", "update"])
def test_nan_in_learning(tmp_path: Path, commands: Any, algo: str, loss: bool, last: bool) -> None:
    command = f"{ALGORITHMS[algo]} --total-steps {STEPS} --out a"
    # Each of the segments two and three has an update a vector step, PPO one in every segment.
    call = (3 if last else 2) if algo == "ppo" else (20 if last else 5)
    line = commands(command, tmp_path, setup=POISON.format(call=call, loss=loss)).one_line(1)
    assert line.startswith("failed: ") and "Last good checkpoint: a.zip" in line
    assert meta(tmp_path / "a")["status"] == "failed"
    assert meta(tmp_path / "a")["weights_sha256"] is None
    assert (tmp_path / "a.failed.npz").exists()
    # Not a single checkpoint was written with it.
    assert read_state(tmp_path / "a.zip")["steps"] < STEPS
    assert commands("eval --ckpt a.zip --env TinyReach-v0 --seeds 0-1", tmp_path).status == 0


def test_nan_on_a_real_task(tmp_path: Path, commands: Any) -> None:
    """Physics is never asked to act on it for long, and leaves no log of its own behind."""
    line = commands(f"{PPO} --out a", tmp_path, setup=POISON.format(call=1, loss=False)).one_line(1)
    assert "a.failed.npz" in line or "Last good checkpoint" in line
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.failed.npz", "a.meta.json", "a.metrics.jsonl", "a.zip"]


# One of the two environments finds its state spoilt.
SPOIL_STATE = """
from envs.make import register
register()
from envs.fetch import FetchReach
count, step = itertools.count(1), FetchReach.step
def spoilt(self, action):
    if next(count) == 20:
        self.data.qpos[2] = float("nan")
    return step(self, action)
FetchReach.step = spoilt
"""


@pytest.mark.parametrize("vec_env", ["dummy", "threads"])
def test_nan_in_the_state_of_a_simulation(tmp_path: Path, commands: Any, vec_env: str) -> None:
    """MuJoCo by itself would reset the state, go on, and leave a log file."""
    line = commands(f"{PPO} --out a --vec-env {vec_env}", tmp_path, setup=SPOIL_STATE).one_line(1)
    assert "physics broke down" in line and "QPOS" in line and "Last good checkpoint: a.zip" in line
    assert ("environment 0: " in line or "environment 1: " in line) == (vec_env == "threads")
    assert meta(tmp_path / "a")["status"] == "failed"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.failed.npz", "a.meta.json", "a.metrics.jsonl", "a.zip"]


def test_a_failed_run_can_be_started_anew(tmp_path: Path, commands: Any) -> None:
    commands(f"{TINY} --out a", tmp_path, setup=POISON.format(call=5, loss=True)).one_line(1)
    assert commands(f"{TINY} --out whole", tmp_path).status == 0
    # The same command goes on from the last good checkpoint; --overwrite would clear the dump away too.
    assert commands(f"{TINY} --out a", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "a")
    assert commands(f"{TINY} --out a --overwrite", tmp_path).status == 0
    assert not (tmp_path / "a.failed.npz").exists()
