"""Command lines that nobody should type, and some that everybody does: one line each, and nothing is touched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

TRAIN = "train --algo sac --her --env TinyReach-v0 --out new"
PPO = "train --algo ppo --env TinyReach-v0 --out new"
TD3 = "train --algo td3 --her --env TinyReach-v0 --out new"
EVAL = "eval --ckpt a.zip --env TinyReach-v0 --seeds 0-1"
LONG = "x" * 5000
ESCAPE = "\x1b]0;owned\x07\x1b[2J"

HUGE = [
    "batch-size 1000000000", "n-steps 100000", "eval-episodes 100000000", "net-arch 1000000000", "threads 100000",
    "n-envs 1000000", "buffer-size 1000000000000", "gradient-steps 1000000000", "train-freq 100000000000",
    "her-n-sampled-goal 1000000", "total-steps 10000000000000", "checkpoint-every 100000000000000",
    "eval-every 100000000000000", "learning-starts 100000000000000", "net-arch 16384 16384",
    f"net-arch {' '.join(['8'] * 40)}", f"batch-size {'9' * 300}", f"seed {'9' * 30}", "action-persistence 1e9",
    "noise-beta 1000", "learning-rate 1e999", "gamma 1e999", "tau 1e300",
]  # fmt: skip
NEGATIVE = [
    f"{name} -1" for name in (
        "ent-coef", "learning-starts", "batch-size", "n-steps", "eval-episodes", "net-arch", "threads", "n-envs",
        "buffer-size", "train-freq", "her-n-sampled-goal", "total-steps", "checkpoint-every", "eval-every",
        "learning-rate", "gamma", "tau", "noise-beta", "moved-fraction", "random-action-prob", "achieved-goal-prob",
        "learning-rate-end-factor", "seed", "action-persistence",
    )
]  # fmt: skip
NO_NUMBER = [
    f"{name} {value}"
    for name in ("gamma", "ent-coef", "learning-rate", "tau", "noise-beta", "action-persistence")
    for value in ("nan", "inf", "-inf")
]
WORDS = [
    f"{name} {value}"
    for name in ("batch-size", "n-envs", "seed", "net-arch", "gamma", "total-steps")
    for value in ("many", "0x10", "1_0_", "1e3x", "none", "[]", "'1'", "１２x")
]
EMPTY = ["env=", "out=", "config=", "algo=", "batch-size=", "seed=", "gamma=", "net-arch=", "device="]


@pytest.mark.parametrize("flags", [*HUGE, *NEGATIVE, *NO_NUMBER, *WORDS, *EMPTY], ids=lambda f: f[:40])
def test_a_setting_that_no_run_can_use(shared: Path, refused: Callable[..., str], flags: str) -> None:
    refused(f"{TRAIN} --{flags}", shared)


OTHERS = [
    f"{PPO} --n-steps 100000000", f"{PPO} --n-epochs 10000000", f"{PPO} --n-steps 1000000 --n-envs 4000",
    f"{PPO} --ent-coef -1", f"{PPO} --vf-coef -1", f"{PPO} --clip-range -1", f"{PPO} --gae-lambda 2",
    f"{PPO} --max-grad-norm 0", f"{PPO} --max-grad-norm nan", f"{PPO} --vf-coef nan", f"{PPO} --her",
    f"{TD3} --policy-delay 0", f"{TD3} --policy-delay 10000000", f"{TD3} --action-noise -1",
    f"{TD3} --target-policy-noise -1", f"{TD3} --target-noise-clip -0.1", f"{TD3} --ent-coef 0.1",
    "train --algo ppo --env Blackjack-v1 --out new", "train --algo ppo --env FrankaKitchen-v1 --out new",
    f"train --algo sac --env {LONG} --out new", "train --algo sac --env ../../etc/passwd --out new",
    f"train --algo {LONG} --env TinyReach-v0", "train --algo sac --env :TinyReach-v0 --out new",
    "train --algo sac --env TinyReach-v0: --out new", "train --algo sac --env no_module:X-v0 --out new",
]  # fmt: skip
PLACES = [
    f"{TRAIN}/", f"{TRAIN}/..", f"{TRAIN}/.", "train --algo sac --her --env TinyReach-v0 --out file/x",
    f"train --algo sac --her --env TinyReach-v0 --out {LONG}",
    f"train --algo sac --her --env TinyReach-v0 --out x/{LONG}",
    "train --algo sac --her --env TinyReach-v0 --out folder", "train --algo sac --her --env TinyReach-v0 --out pipe",
    "train --algo sac --her --env TinyReach-v0 --out a", "train --algo sac --her --env TinyReach-v0 --out alone",
    "train --algo sac --her --env TinyReach-v0 --out bad", f"{TRAIN} --config {LONG}", f"{TRAIN} --config folder.zip",
    f"{TRAIN} --config file", f"{TRAIN} --config a.zip", f"{TRAIN} --config nowhere.yaml", f"{TRAIN} --config loop.zip",
    f"{TRAIN} --config file/x.yaml",
]  # fmt: skip


@pytest.mark.parametrize("command", [*OTHERS, *PLACES], ids=lambda c: c[:70])
def test_tasks_and_places(shared: Path, refused: Callable[..., str], command: str) -> None:
    refused(command, shared)


CHECKPOINTS = [
    f"--ckpt {LONG}", f"--ckpt {LONG}.zip", f"--ckpt x/{LONG}/a.zip", "--ckpt nope.zip", "--ckpt bad.zip",
    "--ckpt folder.zip", "--ckpt loop.zip", "--ckpt dangling.zip", "--ckpt pipe.zip", "--ckpt file/a.zip",
    "--ckpt alone.zip", "--ckpt ..", "--ckpt /", "--ckpt .zip", "--ckpt /dev/null", "--ckpt=", "--ckpt bad --trust",
    "--ckpt bad.zip --trust-checkpoint", "--ckpt pipe.zip --trust-checkpoint", "--ckpt nope --trust-checkpoint",
    "--ckpt a.meta.json", "--ckpt a.zip --agent zero", "--agent nobody", "--agent=", f"--agent {LONG}",
]  # fmt: skip


@pytest.mark.parametrize("flags", CHECKPOINTS, ids=lambda f: f[:50])
def test_a_checkpoint_that_is_none(shared: Path, refused: Callable[..., str], flags: str) -> None:
    line = refused(f"eval --env TinyReach-v0 --seeds 0-1 {flags}", shared)
    assert "twin" not in line


OUTPUTS = [
    "--json-out a.zip", "--json-out a.meta.json", "--json-out file", "--json-out notes.json", "--json-out /dev/full",
    "--json-out /dev/null", "--json-out /dev/stdout", "--json-out pipe.json", "--json-out folder.zip", "--json-out=",
    f"--json-out {LONG}", "--json-out file/r.json", "--json-out alone.zip", "--json-out a.metrics.jsonl",
    "--json-out ./a.zip --overwrite", "--json-out a.meta.json --overwrite", "--json-out /dev/full --overwrite",
    "--json-out loop.zip", "--json-out dangling.zip", "--video-out=", "--video-out v", "--video-out v.zip",
    "--video-out file/v.mp4", "--video-out folder.zip/../folder.zip", "--video-size 0", "--video-size 100000",
    "--video --video-episodes 0", "--n-envs 1000000000", "--n-envs -1", "--n-episodes 100000000000",
    "--n-episodes -1", "--device gpu",
]  # fmt: skip


@pytest.mark.parametrize("flags", OUTPUTS, ids=lambda f: f[:50])
def test_an_output_that_would_replace_something(shared: Path, refused: Callable[..., str], flags: str) -> None:
    refused(f"{EVAL} {flags}", shared)


SEEDS = ["", "-", "--", "1-", "-1", "0-99999999999", "0-3,3", "1,,2", "0..9", "٣", "1e3", "0x1", "1-2-3", " ",
         "a" * 5000, "9" * 5000, "0-2147483648", "1,2,", "\x1b[2J", "1\n2"]  # fmt: skip


@pytest.mark.parametrize("seeds", SEEDS, ids=lambda s: repr(s)[:20])
def test_seeds(shared: Path, refused: Callable[..., str], seeds: str) -> None:
    refused([*EVAL.split()[:-2], f"--seeds={seeds}"], shared)


@pytest.mark.parametrize("flag", ["--env", "--ckpt", "--config", "--wrap", "--bogus", "--json-out"])
def test_escape_codes_are_not_sent_to_the_terminal(shared: Path, refused: Callable[..., str], flag: str) -> None:
    command = TRAIN.split() if flag in ("--config", "--bogus") else EVAL.split()
    line = refused([*command, flag, f"nowhere/{ESCAPE}{'x' * 300}"], shared)
    assert "\x1b" not in line and "\x07" not in line
