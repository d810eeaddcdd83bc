"""An encoder from outside on a task with pictures: trained by both backends, killed, continued, evaluated."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import SAC

from agents.replay import EpisodeReplay
from analysis.reports import Evaluation
from callbacks.base import RunCallback
from envs.make import register
from tests.contract import tiny
from tests.contract.runs import assert_same_run, meta
from train import TrainConfig, prepare, resolved_for, run

ENV = "tests.seams.my_pixels:TinyPicture-v0"
OURS = "tests.seams.my_encoder:glance:features=6"
SMALL = {
    "algo": "sac", "env": ENV, "her": True, "total_steps": 80, "n_envs": 2, "checkpoint_every": 20, "eval_every": 40,
    "eval_episodes": 2, "learning_starts": 20, "gradient_steps": 1, "buffer_size": 60, "batch_size": 10,
    "net_arch": (8,), "device": "cpu", "encoder": OURS, "track": "none",
}  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    register()
    tiny.register()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(settings: dict[str, Any]) -> list[str]:
    flags = [f"--{k.replace('_', '-')}={v}" for k, v in settings.items() if k not in ("her", "net_arch")]
    return ["train", *flags, "--her", "--net-arch", "8"]


@pytest.mark.parametrize("how", [{}, {"algo": "td3"}, {"backend": "sb3"}], ids=["sac", "td3", "sb3"])
def test_killed_and_continued_equals_undisturbed(place: Path, commands: Any, how: dict[str, str]) -> None:
    command = words(SMALL | how)
    whole = commands([*command, "--out", "whole"], place)
    assert whole.status == 0, whole.stderr
    # In the last segment, when the ring of three episodes an environment has wrapped.
    assert commands([*command, "--out", "cut"], place, setup="at_step(70, send(9))").status == -9
    assert commands([*command, "--out", "cut"], place).status == 0
    assert meta(place / "cut")["resumed"] == 1
    assert_same_run(place / "whole", place / "cut")
    # The next command is printed with the modules that it needs, and works as it stands.
    # Behind `bash docker/dev.sh`, where the test itself was started through it.
    line = whole.stdout.strip().splitlines()[-1].split(" eval.py ")[1].split()
    assert commands(["eval", *line], place).status == 0
    assert json.loads((place / "results/whole_eval.json").read_text())["aggregate"]["success"]["n"] == 100


class AtTheEnd(RunCallback):
    """Calls `look` with the model while its environments are still there."""

    def __init__(self, look: Callable[[Any], None]):
        super().__init__()
        self.look, self.looked = look, False

    def on_evaluation(self, result: Evaluation) -> None:
        if result.steps == SMALL["total_steps"]:
            self.look(self.model)
            self.looked = True


@pytest.mark.parametrize("algo", ["sac", "td3"])
def test_the_checkpoint_acts_as_the_learner_does(place: Path, algo: str) -> None:
    kept: dict[str, Any] = {}

    def look(model: Any) -> None:
        assert all(not torch.equal(before[name], now) for name, now in model.learner.encoder.state_dict().items())
        batch = model.replay_buffer.sample(20, np.random.default_rng(0))
        kept["own"] = model.learner.act(model._observations(batch.x, batch.extra), None).numpy()
        kept["shown"] = model.replay_buffer.unflatten(batch.x) | batch.extra
        np.testing.assert_allclose(model.policy.predict(kept["shown"], deterministic=True)[0], kept["own"], atol=1e-6)

    callback = AtTheEnd(look)
    this = prepare(resolved_for(TrainConfig(**SMALL | {"algo": algo, "out": "a"})), [callback])
    before = {name: value.clone() for name, value in this.model.encoder.state_dict().items()}
    this.train()
    assert callback.looked
    if algo == "sac":
        # Stock itself, with nothing of ours but the class of the encoder.
        loaded, _ = SAC.load("a.zip", device="cpu").predict(kept["shown"], deterministic=True)
        np.testing.assert_allclose(loaded, kept["own"], atol=1e-6)


def test_each_picture_is_stored_once_and_comes_back_with_its_step(place: Path) -> None:
    def look(model: Any) -> None:
        replay = model.replay_buffer
        assert isinstance(replay, EpisodeReplay)
        pictures = replay.stored["extra.picture"]
        # Channel first, eleven pictures for ten steps.
        assert pictures.dtype == np.uint8 and pictures.shape == (6, 11, 3, 16, 16)
        batch = replay.sample(500, np.random.default_rng(0))
        for x, picture in ((batch.x, batch.extra["picture"]), (batch.next_x, batch.next_extra["picture"])):
            # The square is where the simulator says the point is, whichever goal the transition was given.
            row, column = np.clip((x[:, 4:6].astype(float) * 10 + 8).astype(int), 1, 14).T
            centre = picture[np.arange(500), :, row, column]
            assert (centre == 255).all() and ((picture.reshape(500, -1) > 0).sum(1) == 27).all()

    callback = AtTheEnd(look)
    run(TrainConfig(**SMALL | {"out": "a"}), [callback])
    assert callback.looked


def test_the_built_in_encoder(place: Path) -> None:
    found = run(TrainConfig(**SMALL | {"encoder": "cnn:features=5", "out": "a"}))
    assert found.config["encoder"] == "cnn:features=5,images_only=false" and found.config["kernel"] == "autograd"


@pytest.mark.parametrize(
    ("change", "words_of_it"),
    [
        ({"encoder": "none"}, ["picture", "--encoder cnn"]),
        ({"encoder": "cmm"}, ["unknown encoder cmm", "cnn"]),
        ({"encoder": "cnn:featurs=3"}, ["featurs", "features"]),
        ({"kernel": "blas"}, ["--kernel blas has no encoders"]),
        ({"mirror": True}, ["picture cannot be mirrored"]),
        ({"env": "TinyReach-v0", "encoder": "cnn"}, ["there is no image"]),
    ],
)
def test_mistakes(place: Path, commands: Any, change: dict[str, Any], words_of_it: list[str]) -> None:
    settings = SMALL | change
    line = commands([*words(settings), "--out", "a"], place).one_line()
    assert all(word in line for word in words_of_it), line
    assert not (place / "a.zip").exists()


def test_a_checkpoint_does_not_import_its_encoder_by_itself(place: Path, commands: Any) -> None:
    assert commands([*words(SMALL), "--out", "a"], place).status == 0
    evaluate = ["eval", "--ckpt", "a.zip", "--env", ENV, "--seeds", "0-1"]
    line = commands(evaluate, place).one_line()
    assert "tests.seams.my_encoder" in line and "--modules" in line
    assert commands([*evaluate, "--modules", "tests.seams.my_encoder"], place).status == 0
