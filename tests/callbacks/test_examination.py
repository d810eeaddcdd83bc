"""Examining a run: returns are those of their definition, training does not notice, and one critic stays one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.replay_inspection import entropy_coefficient, replay_contents, start_entropy_at, tie_critics
from analysis.replay_diagnostics import diagnose
from callbacks.examination import Examination, returns_to_go
from train import TrainConfig, run

ENV = "FetchReachDense-v4"


def test_returns_to_go_are_discounted_sums() -> None:
    rng = np.random.default_rng(0)
    rewards, log_probs = rng.normal(size=(12, 3)), rng.normal(size=(12, 3))
    found = returns_to_go(rewards, log_probs, gamma=0.9, alpha=0.5, states=4)
    for t in range(4):
        plain = sum(0.9**k * rewards[t + k] for k in range(12 - t))
        entropy = sum(0.9**k * -0.5 * log_probs[t + k] for k in range(1, 12 - t))
        np.testing.assert_allclose(found["rewards"][t], plain)
        np.testing.assert_allclose(found["soft"][t], plain + entropy)
    assert found["soft"].shape == (4, 3)


def trained(folder: Path, name: str, callbacks: list[Any], **settings: Any) -> Any:
    return run(TrainConfig("sac", ENV, out=str(folder / name), smoke=True, track="none", **settings), callbacks)


def test_training_does_not_notice_and_the_numbers_are_of_the_run(tmp_path: Path) -> None:
    examination = Examination(ENV, episodes=2)
    watched, plain = trained(tmp_path, "a", [examination]), trained(tmp_path, "b", [])
    assert watched.weights_sha256 == plain.weights_sha256
    contents, returns, trend = examination.results()
    assert [row["steps"] for row in trend] == [e.steps for e in watched.evaluations]
    assert len(contents["rewards"]) == watched.steps and contents["achieved"].shape == (watched.steps, 3)
    # Dense reward: minus the distance of the goal, in float32.
    np.testing.assert_allclose(contents["rewards"], -contents["distances"], atol=1e-6)
    assert returns["values"].shape == (2, 50, 2) and returns["soft"].shape == (50, 2)
    assert np.isfinite(returns["soft"]).all() and (returns["rewards"] < 0).all()
    assert diagnose(contents, returns, trend)["transitions"] == watched.steps


def test_one_critic_stays_one_and_entropy_begins_where_it_is_put(tmp_path: Path) -> None:
    def prepare(model: Any) -> None:
        tie_critics(model)
        start_entropy_at(model, 0.25)

    examination = Examination(ENV, episodes=1, prepare=prepare)
    trained(tmp_path, "a", [examination], ent_coef="auto")
    _, returns, trend = examination.results()
    np.testing.assert_array_equal(returns["values"][0], returns["values"][1])
    assert 0.2 < trend[0]["alpha"] < 0.25 and entropy_coefficient(examination.model) == trend[-1]["alpha"]


def test_a_continued_run_keeps_its_trend() -> None:
    one, other = Examination(ENV), Examination(ENV)
    one.trend = [{"steps": 1}]
    other.load(one.state())
    assert other.trend == one.trend


def test_contents_are_those_that_are_kept(tmp_path: Path) -> None:
    examination = Examination(ENV, episodes=1)
    trained(tmp_path, "a", [examination], buffer_size=200)
    buffer = examination.model.replay_buffer
    contents = replay_contents(buffer)
    assert len(contents["rewards"]) == 200 < examination.model.num_timesteps
    newest = buffer.stored["rewards"][(buffer.added - 1) % buffer.episodes]
    np.testing.assert_array_equal(contents["rewards"][-50:], newest)
    assert contents["episode"].max() == 3


@pytest.mark.parametrize("ent_coef", ["auto", 0.2])
def test_the_coefficient_of_stock_classes(ent_coef: Any) -> None:
    from agents.build import build
    from configs.recipes import resolve
    from envs.vector import make_vec_env

    settings = resolve(TrainConfig("sac", ENV, backend="sb3", smoke=True, ent_coef=ent_coef)).settings
    model = build(settings, make_vec_env(ENV, 1), "cpu")
    assert entropy_coefficient(model) == pytest.approx(1.0 if ent_coef == "auto" else 0.2)
