"""Ctrl-C and SIGTERM: the run ends in order, says so, and the same command goes on as if nothing had happened."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.contract.runs import PPO, SAC, TINY, assert_same_run, meta

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}
# Three segments of 20 steps, an evaluation of 30 after each but the first; the second after 20 + 20 + 30 + 20 steps.
EVALUATED = f"{TINY} --total-steps 60".replace("--eval-every 0", "--eval-every 20 --eval-episodes 3")
IN_EVALUATION = 20 + 20 + 30 + 20 + 12


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("command", [SAC, PPO, TINY], ids=["sac", "ppo", "tiny"])
def test_a_signal_saves_and_the_same_command_continues(
    tmp_path: Path, commands: Any, number: signal.Signals, command: str
) -> None:
    step = 33 if command == TINY else 250
    assert commands(f"{command} --out whole", tmp_path).status == 0
    cut = commands(f"{command} --out cut", tmp_path, setup=f"at_step({step}, send({int(number)}))")
    assert cut.status == SIGNALS[number]
    # What was learned until the last segment ended is in the checkpoint, and the metadata says why there is no more.
    assert "stopping" in cut.stderr and "the same command continues" in cut.stdout
    found = meta(tmp_path / "cut")
    assert (found["status"], found["message"]) == ("interrupted", number.name)
    assert 0 < found["steps"] < found["total_steps"]
    assert commands(f"{command} --out cut", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_during_an_evaluation(tmp_path: Path, commands: Any, number: signal.Signals) -> None:
    assert commands(f"{EVALUATED} --out whole", tmp_path).status == 0
    # None before the first update.
    assert len(meta(tmp_path / "whole")["evaluations"]) == 2
    setup = f"at_step({IN_EVALUATION}, send({int(number)}))"
    assert commands(f"{EVALUATED} --out cut", tmp_path, setup=setup).status == SIGNALS[number]
    found = meta(tmp_path / "cut")
    assert (found["status"], found["steps"], len(found["evaluations"])) == ("interrupted", 40, 1)
    assert commands(f"{EVALUATED} --out cut", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    steps = [[e["steps"], e["success"]] for e in meta(tmp_path / "cut")["evaluations"]]
    assert steps == [[e["steps"], e["success"]] for e in meta(tmp_path / "whole")["evaluations"]]


@pytest.mark.parametrize("first", SIGNALS)
def test_a_second_ctrl_c_quits_at_once(tmp_path: Path, commands: Any, first: signal.Signals) -> None:
    # Environments in the main thread, so that the signals arrive inside the step that hangs.
    hang = f"(send({int(first)})(), send({int(signal.SIGINT)})(), __import__('time').sleep(30))"
    began = time.monotonic()
    cut = commands(f"{TINY} --vec-env dummy --out cut", tmp_path, setup=f"at_step(33, lambda: {hang})")
    assert time.monotonic() - began < 15
    assert cut.status == 130
    # Nothing was tidied up, and nothing is lost.
    assert meta(tmp_path / "cut")["status"] == "running"
    assert commands(f"{TINY} --vec-env dummy --out cut", tmp_path).status == 0


@pytest.mark.parametrize("first", SIGNALS)
def test_a_second_sigterm_does_not_spoil_the_saving(tmp_path: Path, commands: Any, first: signal.Signals) -> None:
    """The kernel repeats a dying parent's signal for each of its threads."""
    again = f"[send(number)() for number in ({int(first)}, 15, 15, 15)]"
    cut = commands(f"{TINY} --vec-env dummy --out cut", tmp_path, setup=f"at_step(33, lambda: {again})")
    assert cut.status == SIGNALS[first]
    assert (meta(tmp_path / "cut")["status"], meta(tmp_path / "cut")["message"]) == ("interrupted", first.name)
    assert commands(f"{TINY} --vec-env dummy --out whole", tmp_path).status == 0
    assert commands(f"{TINY} --vec-env dummy --out cut", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_impatience_ends_a_run_whose_environment_hangs_in_a_thread(tmp_path: Path, commands: Any) -> None:
    # CPython may join two signals that come while the main thread is about to wait; nobody presses only twice.
    hang = f"[(send({int(signal.SIGINT)})(), __import__('time').sleep(0.3)) for _ in range(100)]"
    began = time.monotonic()
    cut = commands(f"{TINY} --vec-env threads --out cut", tmp_path, setup=f"at_step(33, lambda: {hang})")
    assert time.monotonic() - began < 15
    assert cut.status == 130 and meta(tmp_path / "cut")["status"] == "running"


def test_a_signal_before_the_first_segment(tmp_path: Path, commands: Any) -> None:
    cut = commands(f"{TINY} --out cut", tmp_path, setup=f"at_step(1, send({int(signal.SIGINT)}))")
    assert cut.status == 130
    assert (meta(tmp_path / "cut")["status"], meta(tmp_path / "cut")["steps"]) == ("interrupted", 0)
    assert commands(f"{TINY} --out whole", tmp_path).status == 0
    assert commands(f"{TINY} --out cut", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")


def test_ctrl_c_during_an_evaluation_of_a_checkpoint(tmp_path: Path, commands: Any) -> None:
    assert commands(f"{TINY} --out a", tmp_path).status == 0
    # A shell's background job ignores Ctrl-C, and so would everything that this test run starts from there.
    heard = "__import__('signal').signal(2, __import__('signal').default_int_handler)"
    cut = commands(
        "eval --ckpt a.zip --env TinyReach-v0 --seeds 0-99 --json-out r.json", tmp_path,
        setup=f"({heard}, at_step(55, send({int(signal.SIGINT)})))",
    )  # fmt: skip
    assert (cut.status, cut.stderr) == (130, "interrupted\n")
    assert not (tmp_path / "r.json").exists()


def test_a_real_process(tmp_path: Path, root: Path, commands: Any) -> None:
    """The same once more without the tests' own machinery: `python train.py`, a signal from outside, and go on."""
    _, *words = SAC.split()
    arguments = [*words, "--total-steps", "1000", "--out"]
    line = [sys.executable, str(root / "train.py"), *arguments, str(tmp_path / "cut")]
    process = subprocess.Popen(
        line, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    # A checkpoint with steps in it, and then the middle of some later segment.
    limit = time.monotonic() + 60
    while not (tmp_path / "cut.meta.json").exists() or meta(tmp_path / "cut")["steps"] < 100:
        assert process.poll() is None and time.monotonic() < limit
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "Traceback" not in stderr and "the same command continues" in stdout
    assert meta(tmp_path / "cut")["status"] == "interrupted"
    assert 100 <= meta(tmp_path / "cut")["steps"] < 1000
    for out in ("cut", "whole"):
        assert commands(["train", *arguments, str(tmp_path / out)], tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
