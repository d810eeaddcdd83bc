"""A run that was killed and continued by the same command ends bit for bit where the undisturbed one does."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.runs import COMMON, PPO, REPLAY, SAC, TD3, assert_same_run, equal, meta, metric_lines, tensors

KILL = f"at_step({{}}, send({int(signal.SIGKILL)}))"
# The ring holds two of the six episodes, so it wraps twice; a segment is what fits without overtaking itself.
WRAPPED = SAC.replace("--buffer-size 2000", "--buffer-size 220")
AUTO = SAC.replace("--ent-coef 0.05", "--ent-coef auto")
# Updates once an episode: what the last update of a segment logged is written in the next one.
RARE = f"{AUTO} --train-freq 50"
EPISODES = TD3.replace("--gradient-steps 1", "--gradient-steps -1").replace("--batch-size 20", "--batch-size 8")
FLAT = (
    f"train --algo sac --env TinyFlat-v0 --total-steps 80 --checkpoint-every 20 {COMMON} {REPLAY} --learning-starts 20"
)
# Our learner, with everything that it has beyond stock; its ring holds whole episodes.
FAST = (
    f"{SAC} --backend fast --random-action-prob 0.2 --moved-fraction 0.5 --match-desired-goals True "
    "--achieved-goal-prob 0.5 --n-steps 2 --action-persistence 3 --noise-beta 1 --clip-targets True --gamma 0.95 "
    "--learning-rate-end-factor 0.1"
)
FAST_WRAPPED = f"{FAST} --buffer-size 220 --ent-coef auto"
EVALUATED = SAC.replace("--eval-every 0", "--eval-every 100 --eval-episodes 2")
# (command, vector steps before the kill; one step of the run is two of an environment)
RUNS = {
    "sac-her": (SAC, 250),
    "sac-her-wrapped": (WRAPPED, 270),
    "sac-her-auto": (AUTO, 220),
    "sac-her-rare-updates": (RARE, 230),
    "sac-her-evaluated": (EVALUATED, 280),
    "td3-her": (TD3, 230),
    "td3-her-all-transitions": (EPISODES, 110),
    "ppo": (PPO, 250),
    "fast": (FAST, 250),
    "fast-wrapped-auto": (FAST_WRAPPED, 270),
    "sac-flat": (FLAT, 70),
}


@pytest.mark.parametrize("name", RUNS)
def test_killed_and_continued_equals_undisturbed(tmp_path: Path, commands: Any, name: str) -> None:
    command, step = RUNS[name]
    done = commands(f"{command} --out whole", tmp_path)
    assert done.status == 0, done.stderr
    killed = commands(f"{command} --out cut", tmp_path, setup=KILL.format(step))
    assert killed.status == -signal.SIGKILL
    assert meta(tmp_path / "cut")["status"] == "running"
    assert 0 < meta(tmp_path / "cut")["steps"] < meta(tmp_path / "whole")["steps"]
    again = commands(f"{command} --out cut", tmp_path)
    assert again.status == 0, again.stderr
    assert "continuing at" in again.stdout
    assert meta(tmp_path / "cut")["resumed"] == 1
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    assert meta(tmp_path / "cut")["updates"] > 0
    assert len(metric_lines(tmp_path / "cut")) >= 3


@pytest.mark.parametrize("name", ["sac-her", "sac-her-wrapped", "ppo", "fast"])
def test_an_unfinished_run_may_be_given_more_steps(tmp_path: Path, commands: Any, name: str) -> None:
    command = RUNS[name][0].replace("--learning-rate-end-factor 0.1", "")
    total = int(command.split("--total-steps ")[1].split()[0])
    longer = command.replace(f"--total-steps {total}", f"--total-steps {2 * total}")
    assert commands(f"{longer} --out whole", tmp_path).status == 0
    assert commands(f"{command} --out cut", tmp_path, setup=KILL.format(RUNS[name][1])).status == -signal.SIGKILL
    assert commands(f"{longer} --out cut", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    # Not after the end, when the replay is gone; and never fewer.
    finished = commands(f"{longer.replace(str(2 * total), str(3 * total))} --out cut", tmp_path)
    assert "other settings (total_steps:" in finished.one_line()
    assert "other settings (total_steps:" in commands(f"{command} --out cut", tmp_path).one_line()


def test_a_schedule_until_the_end_takes_no_more_steps(tmp_path: Path, commands: Any) -> None:
    assert "--learning-rate-end-factor 0.1" in FAST and "--total-steps 300" in FAST
    assert commands(f"{FAST} --out cut", tmp_path, setup=KILL.format(250)).status == -signal.SIGKILL
    longer = FAST.replace("--total-steps 300", "--total-steps 600")
    assert "other settings (total_steps:" in commands(f"{longer} --out cut", tmp_path).one_line()


def test_killed_in_every_segment(tmp_path: Path, commands: Any) -> None:
    assert commands(f"{WRAPPED} --out whole", tmp_path).status == 0
    # Each start gets one segment further: 100 environment steps, then 50 more into the next.
    for _ in range(2):
        assert commands(f"{WRAPPED} --out cut", tmp_path, setup=KILL.format(150)).status == -signal.SIGKILL
    assert commands(f"{WRAPPED} --out cut", tmp_path).status == 0
    assert meta(tmp_path / "cut")["resumed"] == 2
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_another_seed_is_another_run(tmp_path: Path, commands: Any) -> None:
    # Guards the comparison above: were it blind, this would pass as equal too.
    for out, seed in (("a", 3), ("b", 4)):
        assert commands(f"{SAC} --seed {seed} --out {out}", tmp_path).status == 0
    assert meta(tmp_path / "a")["weights_sha256"] != meta(tmp_path / "b")["weights_sha256"]
    assert not equal(tensors(tmp_path / "a"), tensors(tmp_path / "b"))
    assert metric_lines(tmp_path / "a") != metric_lines(tmp_path / "b")


def test_a_run_killed_before_its_first_segment_ends_starts_again(tmp_path: Path, commands: Any) -> None:
    assert commands(f"{PPO} --out whole", tmp_path).status == 0
    assert commands(f"{PPO} --out cut", tmp_path, setup=KILL.format(30)).status == -signal.SIGKILL
    assert meta(tmp_path / "cut")["steps"] == 0
    assert commands(f"{PPO} --out cut", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_the_replay_is_gone_when_the_run_is_finished(tmp_path: Path, commands: Any) -> None:
    commands(f"{SAC} --out cut", tmp_path, setup=KILL.format(250))
    assert sorted(p.name for p in (tmp_path / "cut.replay").iterdir()) == ["000001.npz", "000002.npz"]
    assert commands(f"{SAC} --out cut", tmp_path).status == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.meta.json", "cut.metrics.jsonl", "cut.zip"]


@pytest.mark.parametrize("damage", ["missing", "changed", "short"])
def test_a_damaged_replay_is_named(tmp_path: Path, commands: Any, damage: str) -> None:
    commands(f"{SAC} --out cut", tmp_path, setup=KILL.format(250))
    file = tmp_path / "cut.replay" / "000001.npz"
    data = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    elif damage == "short":
        file.write_bytes(data[:-100])
    else:
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    line = commands(f"{SAC} --out cut", tmp_path).one_line()
    assert "000001.npz" in line and "--overwrite" in line
    assert sys.getsizeof(line) < 1000
