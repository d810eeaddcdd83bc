"""Reproducibility: equal runs are seen to be equal, different ones to differ, and the tolerance decides."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from analysis.reports import ReproReport, TrainMeta, load

COMMAND = ["--algo", "ppo", "--env", "FetchReachDense-v4", "--smoke"]


@pytest.fixture
def script(load_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return load_script("check_repro")


def test_one_seed_gives_one_policy(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two real processes, on the CPU."""
    assert script.main([*COMMAND, "--device", "cpu", "--json-out", "repro.json"]) == 0
    assert "equal bit for bit" in capsys.readouterr().out
    [path] = tmp_path.glob("repro-*/repro.json")
    report = load(path, ReproReport)
    assert report.weights_equal and report.within_tolerance
    assert report.success[0] == report.success[1]
    assert report.mean_final_distance[0] == report.mean_final_distance[1]
    assert not Path("repro.json").exists()


def test_a_seed_changed_under_it_is_found(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from train import TrainConfig, run

    def sabotaged(config: Any, out: Path) -> TrainMeta:
        seed = config.seed + (out.name == "second")
        return run(TrainConfig("ppo", config.env, seed=seed, out=str(out), smoke=True, device="cpu", track="none"))

    monkeypatch.setattr(script, "train_once", sabotaged)
    assert script.main([*COMMAND, "--tolerance-distance", "0", "--json-out", "repro.json"]) == 1
    assert "NOT reproducible: other weights" in capsys.readouterr().out
    [path] = tmp_path.glob("repro-*/repro.json")
    report = load(path, ReproReport)
    assert not report.weights_equal and not report.within_tolerance
    assert report.mean_final_distance[0] != report.mean_final_distance[1]


@pytest.mark.parametrize(
    "flags",
    [
        ["--tolerance-success", "nan"], ["--tolerance-distance", "-1"], ["--tolerance-distance", "inf"],
        ["--n-eval-episodes", "0"], ["--env", "FetchReachDense-v3"], ["--her"], ["--seed", "-1"],
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_before_any_training(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    monkeypatch.setattr(script, "train_once", lambda *a: pytest.fail("trained"))
    assert script.main([*COMMAND, *flags]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_training_that_fails_is_a_failure(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "train_command", lambda *a: [sys.executable, "-c", "raise SystemExit(3)"])
    assert script.main(COMMAND) == 1
    assert "exit status 3" in capsys.readouterr().err


def test_both_runs_get_every_flag(script: ModuleType, tmp_path: Path) -> None:
    config = script.ReproConfig("sac", "FetchReach-v4", total_steps=900, her=True, seed=4, device="cpu")
    words = script.train_command(config, tmp_path / "x")
    assert "--her" in words and "--smoke" not in words
    pairs = dict(zip(words, words[1:], strict=False))
    assert (pairs["--algo"], pairs["--seed"], pairs["--total-steps"], pairs["--device"]) == ("sac", "4", "900", "cpu")


def test_a_killed_run_ends_with_the_same_weights(script: ModuleType, tmp_path: Path) -> None:
    """Small, but long enough to be killed: the recipe's own Reach, with a checkpoint each 400 steps."""
    out = tmp_path / "report.json"
    arguments = ["--algo", "sac", "--her", "--env", "FetchReach-v4", "--total-steps", "2000", "--n-eval-episodes", "2"]
    assert script.main([*arguments, "--kill", "--json-out", str(out)]) == 0
    report = load(out, ReproReport)
    assert report.weights_equal and report.weights_sha256[0] == report.weights_sha256[1]
    assert 1000 <= report.killed_at_steps < 2000
