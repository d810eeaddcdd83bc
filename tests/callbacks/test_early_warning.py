"""The early warning on real runs: each bug is named within seconds, healthy runs raise nothing."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.logger import Logger

from agents.checkpoint import weights_sha256
from analysis import early_warning as ew
from analysis.reports import DataReport, load
from callbacks.early_warning import EarlyWarning, GradientProbe
from envs.vector import make_vec_env

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/break_ppo.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("break_ppo", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules["break_ppo"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("how", ["learning_rate_1", "no_noise", "observations_x1000", "raw_advantages", "no_clipping"])
def test_a_bug_is_named_within_three_updates(script: ModuleType, how: str) -> None:
    watch, _ = script.train(how, 0, 2400, n=0)
    assert set(script.BUGS[how].named) <= set(watch.found), watch.found
    assert len(watch.rows) == 3


def test_the_wrong_sign_is_named(script: ModuleType) -> None:
    """It takes longer to see: the return must have risen."""
    watch, _ = script.train("wrong_sign", 0, 11_200, n=0)
    assert set(watch.found) == {"return_without_success"}


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_healthy_runs_raise_nothing(script: ModuleType, seed: int) -> None:
    """Of whole runs see tests/analysis/test_early_warning.py, and results/ch02_broken.json."""
    watch, _ = script.train("healthy", seed, 3200, n=0)
    assert watch.found == {} and len(watch.rows) == 4


def learner(seed: int = 0) -> PPO:
    """A small one, to be seen at work."""
    env = make_vec_env("FetchReachDense-v4", 2)
    model = PPO("MultiInputPolicy", env, n_steps=50, batch_size=50, n_epochs=2, seed=seed, device="cpu")
    model.set_logger(Logger(None, []))
    return model


def test_watching_changes_nothing() -> None:
    weights = []
    for callback in (None, EarlyWarning()):
        model = learner()
        model.learn(200, callback=callback)
        model.env.close()
        weights.append(weights_sha256(model.policy))
    assert weights[0] == weights[1]


def test_the_norm_is_that_before_clipping_and_hooks_go() -> None:
    model = learner()
    parameters, norms = list(model.policy.parameters()), []
    probe = GradientProbe(model.policy)
    for _ in range(2):
        model.policy.optimizer.zero_grad()
        loss = sum((p**2).sum() for p in parameters) * 100
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(parameters, 0.5)))
        model.policy.optimizer.step()
    row = probe.take()
    assert row[ew.NORM] == pytest.approx(np.mean(norms), rel=1e-5) and norms[0] > 100
    assert row[ew.DEAD] == 0.0 and probe.take() == {}
    probe.close()
    sum((p**2).sum() for p in parameters).backward()
    model.policy.optimizer.step()
    assert probe.take() == {}
    model.env.close()


def test_warnings_are_said_once_logged_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = learner()
    watch = EarlyWarning(str(tmp_path / "w.json"), ew.Limits(std_high=0.5))
    model.learn(300, callback=watch)
    model.env.close()
    assert capsys.readouterr().err.count("WARNING entropy explosion at 100 steps") == 1
    assert model.logger.name_to_value["warning/entropy_explosion"] == 1.0
    assert "warning/kl_drift" not in model.logger.name_to_value
    data = load(tmp_path / "w.json", DataReport).data
    assert [w["rule"] for w in data["warnings"]] == ["entropy_explosion"]
    assert watch.rows[0][ew.BOUND] > 5 and watch.rows[-1][ew.EPISODES] == 6


def test_state_goes_through_json() -> None:
    model = learner()
    first, second = EarlyWarning(limits=ew.Limits(std_high=0.5), quiet=True), EarlyWarning(quiet=True)
    model.learn(200, callback=first)
    model.env.close()
    second.load(json.loads(json.dumps(first.state(), allow_nan=False)))
    assert second.found == first.found and second.rows == first.rows
    assert (second.episodes, second.largest_reward) == (4, first.largest_reward)


def test_an_unknown_bug_is_refused(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(script.UserError, match="Did you mean wrong_sign"):
        script.main(how="wrong_sgin")
    assert script.main(list=True) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(script.BUGS)
