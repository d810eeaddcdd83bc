"""A callback from outside: a curriculum that keeps a state, and what it may rely on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.callbacks import BaseCallback

from analysis.reports import Evaluation
from callbacks.base import RunCallback
from common.errors import TrainingFailure, UserError
from envs.make import register
from tests.contract import tiny
from tests.contract.runs import assert_same_run, meta
from train import TrainConfig, run

SMALL = {
    "algo": "sac", "env": "TinyReach-v0", "her": True, "total_steps": 120, "n_envs": 2, "checkpoint_every": 20,
    "eval_every": 40, "eval_episodes": 2, "learning_starts": 20, "gradient_steps": 1, "buffer_size": 500,
    "batch_size": 10, "net_arch": (8,), "device": "cpu", "learning_rate": 0.01,
}  # fmt: skip


class Tightening(RunCallback):
    """Begins with a goal that is easy to meet, and asks for more after each evaluation and each hit."""

    def __init__(self) -> None:
        super().__init__()
        self.radius, self.hits, self.evaluated = 0.4, 0, 0

    def on_segment_start(self, segment: int) -> None:
        self.training_env.set_attr("distance_threshold", self.radius)

    def _on_step(self) -> bool:
        self.hits += sum(info.get("is_success", False) for info in self.locals["infos"])
        return True

    def on_evaluation(self, result: Evaluation) -> None:
        self.evaluated += 1
        self.radius *= 0.7 / (1 + self.hits / 1000)

    def state(self) -> dict[str, Any]:
        return {"radius": self.radius, "hits": self.hits, "evaluated": self.evaluated}

    def load(self, state: dict[str, Any]) -> None:
        self.radius, self.hits, self.evaluated = state["radius"], state["hits"], state["evaluated"]


class Once(BaseCallback):
    """A stock callback that does something at one step of the run, the first time it gets there."""

    def __init__(self, step: int, action: Callable[[], Any]):
        super().__init__()
        self.step, self.action = step, action

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.step and self.action is not None:
            action, self.action = self.action, None
            return action() is not False
        return True


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    register()
    tiny.register()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def crash() -> None:
    raise RuntimeError("as if the machine had failed")


def config(out: str, **other: Any) -> TrainConfig:
    return TrainConfig(**SMALL | {"out": out, "track": "none"} | other)


@pytest.mark.parametrize("backend", ["fast", "sb3"])
@pytest.mark.parametrize("how", ["ctrl-c", "crash", "callback"])
def test_a_curriculum_resumes_bit_for_bit(place: Path, backend: str, how: str) -> None:
    whole = Tightening()
    run(config("whole", backend=backend), callbacks=[whole])
    assert whole.evaluated == 3 and whole.hits > 0 and whole.radius < 0.2
    # In the fourth of six segments, after the first evaluation.
    action = {"ctrl-c": lambda: os.kill(os.getpid(), signal.SIGINT), "crash": crash, "callback": lambda: False}[how]
    cut = [Tightening(), Once(72, action)]
    if how == "crash":
        with pytest.raises(RuntimeError):
            run(config("cut", backend=backend), callbacks=cut)
    else:
        assert run(config("cut", backend=backend), callbacks=cut).status == "interrupted"
    assert meta(place / "cut")["steps"] == 60
    continued = Tightening()
    assert run(config("cut", backend=backend), callbacks=[continued]).resumed == 1
    assert continued.state() == whole.state()
    assert_same_run(place / "whole", place / "cut")
    # The curriculum mattered: without it the same seed learns something else.
    assert run(config("without", backend=backend)).weights_sha256 != meta(place / "whole")["weights_sha256"]


def test_evaluations_keep_the_target_task(place: Path) -> None:
    class Trivial(RunCallback):
        def on_segment_start(self, segment: int) -> None:
            self.training_env.set_attr("distance_threshold", 100.0)

        def on_evaluation(self, result: Evaluation) -> None:
            training.append(float(np.mean(self.model.ep_success_buffer)))

    training: list[float] = []
    found = run(config("a", learning_rate=0.0001, eval_episodes=20), callbacks=[Trivial()])
    assert training == [1.0] * 3
    assert all(e.success.rate < 1 for e in found.evaluations)


@pytest.mark.parametrize("algo", ["sac", "td3"])
def test_the_policy_is_current_whenever_a_callback_looks(place: Path, algo: str) -> None:
    class Look(RunCallback):
        def _look(self) -> None:
            model = self.model
            x = np.random.default_rng(0).uniform(-0.3, 0.3, (4, 8)).astype(np.float32)
            observation = {"achieved_goal": x[:, :2], "desired_goal": x[:, 2:4], "observation": x[:, 4:]}
            stock, _ = model.policy.predict(observation, deterministic=True)
            own = model.learner.act(model._features(model.replay_buffer.flat(observation)), torch.zeros(4, 2))
            np.testing.assert_allclose(stock, own, atol=1e-5)
            seen.append(stock)

        def _on_step(self) -> bool:
            self._look()
            return True

        def _on_rollout_end(self) -> None:
            self._look()

        def _on_training_end(self) -> None:
            self._look()

        def on_segment_start(self, segment: int) -> None:
            self._look()

        def on_evaluation(self, result: Evaluation) -> None:
            self._look()

    seen: list[np.ndarray] = []
    run(config("a", algo=algo), callbacks=[Look()])
    # It changes at every update of the actor, not once a segment: 50 of them, of TD3 25.
    assert len({actions.tobytes() for actions in seen}) >= {"sac": 50, "td3": 25}[algo]


def test_another_callback_is_named_before_anything_is_trained(place: Path) -> None:
    run(config("a"), callbacks=[Tightening(), Once(72, lambda: False)])
    with pytest.raises(UserError, match="then: Tightening; now: none"):
        run(config("a"))

    class Other(Tightening):
        def load(self, state: dict[str, Any]) -> None:
            raise KeyError("speed")

        name = "Tightening"

    with pytest.raises(UserError, match="state of Tightening does not fit .KeyError: 'speed'"):
        run(config("a"), callbacks=[Other()])
    with pytest.raises(ValueError, match="two callbacks are called Tightening"):
        run(config("b"), callbacks=[Tightening(), Tightening()])
    assert meta(place / "a")["steps"] == 60


@pytest.mark.parametrize("at", [60, 120], ids=["a segment's end", "the run's end"])
def test_a_run_ended_at_the_last_step_of_a_segment_loses_none_of_it(place: Path, at: int) -> None:
    """Stable-Baselines3 neither keeps that step nor learns from it, so it is trained again."""
    assert run(config("whole")).status == "finished"
    cut = run(config("cut"), callbacks=[Once(at, lambda: False)])
    assert (cut.status, cut.steps) == ("interrupted", at - 20)
    assert run(config("cut")).status == "finished"
    assert_same_run(place / "whole", place / "cut")


def test_a_callback_can_fail_the_run(place: Path) -> None:
    class Warn(RunCallback):
        def on_evaluation(self, result: Evaluation) -> None:
            if result.steps >= 80:
                raise TrainingFailure("no learning by step 80")

    with pytest.raises(TrainingFailure, match="no learning by step 80. Last good checkpoint: a.zip"):
        run(config("a"), callbacks=[Warn()])
    found = meta(place / "a")
    assert (found["status"], found["steps"], found["message"]) == ("failed", 60, "no learning by step 80")
