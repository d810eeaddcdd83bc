"""DAgger: the teacher's labels for what the student saw, an encoder trained by imitation, a checkpoint that acts."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from agents.dagger import Dagger, Imitation
from agents.learner import Batch
from agents.networks import ENCODERS
from callbacks.base import RunCallback
from common.files import meta_path
from envs.rendering import choose_backend
from tests.agents.test_encoders import SPACE, N, observations
from tests.contract.runs import assert_same_run
from train import TrainConfig, run

drawn = pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
TEACHER = Path(__file__).parents[2] / "checkpoints/reference/FetchPush-v4.zip"
SMALL = {
    "algo": "sac", "backend": "dagger", "env": "FetchPush-v4", "total_steps": 200, "n_envs": 2,
    "checkpoint_every": 100, "eval_every": 0, "learning_starts": 100, "gradient_steps": 1, "buffer_size": 1000,
    "batch_size": 8, "net_arch": (8,), "device": "cpu", "track": "none", "wrap": ("pixels:goal_mode=desired,size=24",),
    "encoder": "spatial:points=2", "augment": "shift:pad=1", "teacher": str(TEACHER), "random_action_prob": 0.3,
}  # fmt: skip


def test_imitation_learns_the_labels_and_trains_the_encoder_alone_with_the_actor() -> None:
    torch.manual_seed(0)
    encoder = ENCODERS.build("spatial:points=4", SPACE)
    learner = Imitation(encoder.features_dim, 4, (32,), 3e-3, encoder=encoder)
    labels = torch.rand(N, 4) * 1.6 - 0.8
    batch = Batch(observations(0), observations(0), labels, torch.zeros(N), torch.zeros(N), torch.zeros(2 * N, 4))
    before = {key: value.clone() for key, value in learner.critic.state_dict().items()}
    weight = learner.encoder.look[0][0].weight.detach().clone()
    losses = [learner.update(batch)["imitation_loss"].item() for _ in range(200)]
    assert losses[-1] < 0.01 * losses[0]
    torch.testing.assert_close(learner.act(batch.observations, None), labels, atol=0.1, rtol=0)
    assert not torch.equal(weight, learner.encoder.look[0][0].weight)
    assert all(torch.equal(before[key], value) for key, value in learner.critic.state_dict().items())


def test_labels_are_of_the_state_right_now() -> None:
    states = [{"observation": np.full(4, 0.1 * i, np.float32)} for i in range(2)]
    student = SimpleNamespace(
        env=SimpleNamespace(get_attr=lambda name: [dict(state) for state in states] if name == "state" else None),
        teacher=SimpleNamespace(predict=lambda seen, deterministic: (seen["observation"], None)),
        policy=SimpleNamespace(scale_action=lambda action: action),
    )
    for _ in range(2):
        np.testing.assert_array_equal(Dagger._labels(student), [state["observation"] for state in states])
        for state in states:
            state["observation"] = state["observation"] + 0.1


class Watch(RunCallback):
    """Keeps what was executed and, from the state before each step, what the teacher says."""

    def __init__(self) -> None:
        super().__init__()
        self.same: list[float] = []

    def _on_step(self) -> bool:
        # `_sample_action` gave both; the labels are what will be stored.
        executed, stored = self.locals["actions"], self.locals["buffer_actions"]
        self.same.append(float((np.abs(executed - stored) < 1e-6).all(axis=1).mean()))
        return True


@drawn
def test_the_teacher_acts_first_then_the_student_and_the_labels_are_always_the_teachers(tmp_path: Path) -> None:
    kept: dict[str, Any] = {}

    class Look(Watch):
        def _on_training_end(self) -> None:
            kept["actions"] = self.model.replay_buffer.stored["actions"].copy()

    watch = Look()
    meta = run(TrainConfig(**SMALL, out=str(tmp_path / "a")), [watch])
    assert meta.status == "finished" and meta.updates > 0
    # 50 rounds of two environments: in the warm-up most executed actions are the labels, then none is.
    assert np.mean(watch.same[:50]) > 0.5 and np.mean(watch.same[50:]) < 0.1
    labels = kept["actions"][:4].reshape(-1, 4)
    assert len(np.unique(labels.round(4), axis=0)) > 150 and np.abs(labels).max() <= 1


@drawn
def test_a_student_is_continued_and_evaluated_like_any_other_policy(tmp_path: Path, commands: Any) -> None:
    flags = " ".join(f"--{key.replace('_', '-')}={value}" for key, value in SMALL.items()
                     if key not in ("net_arch", "wrap"))  # fmt: skip
    command = f"train {flags} --net-arch 8 --wrap {SMALL['wrap'][0]}"
    assert commands(f"{command} --out whole", tmp_path).status == 0
    assert commands(f"{command} --out cut", tmp_path, setup="at_step(150, send(9))").status == -9
    assert commands(f"{command} --out cut", tmp_path).status == 0
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    done = commands("eval --ckpt whole.zip --env FetchPush-v4 --seeds 0-1 --json-out e.json", tmp_path)
    assert done.status == 0, done.stderr
    assert json.loads((tmp_path / "e.json").read_text())["aggregate"]["success"]["n"] == 2
    assert json.loads(meta_path(tmp_path / "whole.zip").read_text())["config"]["backend"] == "dagger"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"teacher": ""}, "--teacher CHECKPOINT.zip"),
        ({"teacher": "nowhere.zip"}, "nowhere.zip"),
        ({"teacher": str(TEACHER).replace("Push", "Reach")}, "from the state of FetchPush-v4"),
        ({"encoder": "none"}, "--encoder"),
    ],
)
@drawn
def test_mistakes(tmp_path: Path, commands: Any, change: dict[str, str], words: str) -> None:
    flags = " ".join(f"--{key.replace('_', '-')}={value}" for key, value in (SMALL | change).items()
                     if key not in ("net_arch", "wrap") and value)  # fmt: skip
    line = commands(f"train {flags} --net-arch 8 --wrap {SMALL['wrap'][0]} --out a", tmp_path).one_line()
    assert words in line, line
