"""An encoder with lessons of its own, and SAC on what it says: who trains whom, what is stored, and what acts."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.fast_sac import FastSAC
from agents.locating import LocatingSAC
from agents.networks import ENCODERS
from callbacks.base import RunCallback
from envs.rendering import choose_backend
from tests.agents.test_encoders import SPACE, observations
from train import TrainConfig, run

drawn = pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
SMALL = {
    "algo": "sac", "backend": "locating", "env": "FetchPush-v4", "her": True, "total_steps": 40, "n_envs": 2,
    "checkpoint_every": 10, "eval_every": 0, "learning_starts": 20, "gradient_steps": 1, "buffer_size": 100,
    "batch_size": 8, "net_arch": (16,), "device": "cpu", "track": "none", "wrap": ("pixels:size=24",),
    "encoder": "locating:trunk=manipulation,features=8", "env_option": ("max_episode_steps=5",), "first_lessons": 3,
    "lesson_every": 2, "random_action_prob": 0.0, "achieved_goal_prob": 0.0, "mirror": True, "kernel": "blas",
}  # fmt: skip


class Watch(RunCallback):
    """Keeps the learner, and how far its stored places are from a new look, at both ends of every segment."""

    def __init__(self) -> None:
        super().__init__()
        self.began: list[float] = []
        self.ended: list[float] = []

    def _on_training_start(self) -> None:
        if self.model.learner.updates:
            self.began.append(staleness(self.model))

    def _on_training_end(self) -> None:
        if self.model.learner.updates:
            self.ended.append(staleness(self.model))


def staleness(model: LocatingSAC) -> float:
    """The largest difference, m, between what is stored of a frame and what the eye sees in it now."""
    place = model.replay_buffer.place
    return max(
        float(np.abs(x[:, place] - model.look(x[:, place.stop :], extra)).max())
        for *_, x, extra in model.replay_buffer.everything()
    )


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watch:
    watch = Watch()
    assert run(TrainConfig(**SMALL, out=str(tmp_path_factory.mktemp("eye") / "a")), [watch]).updates == 10
    # The environments are closed, and with them the task's own.
    watch.model.replay_buffer.compute_reward = lambda achieved, desired, info: (
        -(np.linalg.norm(achieved - desired, axis=1) > 0.05).astype(np.float32)
    )
    return watch


@pytest.fixture
def model(watched: Watch) -> LocatingSAC:
    return watched.model


def acted(model: LocatingSAC, changed: dict[str, np.ndarray]) -> np.ndarray:
    """The exploring actions on the last observation with `changed` parts, always with the same random numbers."""
    kept = model._last_obs, copy.deepcopy(model.explorer), model.acting_goals.copy()
    model._last_obs, model.generator = kept[0] | changed, np.random.default_rng(1)
    try:
        return model._sample_action(0, n_envs=2)[1]
    finally:
        model._last_obs, model.explorer, model.acting_goals = kept


@drawn
def test_the_achieved_goal_never_changes_an_action_in_training(model: LocatingSAC) -> None:
    seen = model._last_obs
    action = acted(model, {})
    for lie in (np.zeros((2, 3)), seen["desired_goal"], np.full((2, 3), 1e3)):
        np.testing.assert_array_equal(acted(model, {"achieved_goal": lie}), action)
    for changed in ({"pixels": 255 - seen["pixels"]}, {"observation": seen["observation"] + 0.1}):
        assert not np.array_equal(acted(model, changed), action)


@drawn
def test_the_published_policy_acts_as_the_learner_does(model: LocatingSAC) -> None:
    seen = model._last_obs
    x = model._flat(dict(seen))
    trained = model.learner.act(model._features(x), None).numpy()
    model.policy.set_training_mode(False)
    deployed = model.policy.predict(seen, deterministic=True)[0]
    np.testing.assert_allclose(deployed, trained, atol=2e-4)
    assert np.abs(trained).max() < 1 and np.ptp(trained) > 1e-3
    # A critic, too: stock reads features and action in the same order.
    actions = torch.rand(2, 4)
    tensors = model.policy.obs_to_tensor(seen)[0]
    named = model.learner.stock_weights()
    hidden = torch.relu(torch.cat([model._features(x), actions], 1) @ named["critic.qf0.0.weight"].T
                        + named["critic.qf0.0.bias"])  # fmt: skip
    expected = hidden @ named["critic.qf0.2.weight"].T + named["critic.qf0.2.bias"]
    torch.testing.assert_close(model.policy.critic(tensors, actions)[0], expected, atol=2e-4, rtol=1e-3)


@drawn
def test_a_batch_has_places_and_no_pictures_and_a_lesson_has_pictures(model: LocatingSAC) -> None:
    batch = model.replay_buffer.sample(50, model.generator)
    # Both goals, the place that was seen, the robot's 10 numbers.
    assert batch.x.shape == (50, 19) and not batch.extra and not batch.next_extra
    x, pictures = model.replay_buffer.lesson(20, model.generator)
    assert x.shape == (20, 19) and pictures["pixels"].shape == (20, 3, 24, 24)


@drawn
def test_every_segment_begins_with_another_look_at_old_frames(watched: Watch) -> None:
    assert len(watched.began) == 1 and len(watched.ended) == 2
    assert max(watched.began) < 1e-5 < 1e-3 < min(watched.ended)


@drawn
def test_inputs_are_normalised_by_where_the_object_was(model: LocatingSAC) -> None:
    inputs, goal, place = model.input_map, slice(0, 3), model.replay_buffer.place
    assert inputs.achieved == place and inputs.count == 40
    np.testing.assert_array_equal(inputs.mean[place], inputs.mean[goal])
    np.testing.assert_array_equal(inputs.square[place], inputs.square[goal])
    # The achieved goal itself reaches no network.
    assert not inputs.matrix[:, goal].any() and inputs.matrix[:, place].any()


@drawn
def test_the_first_lessons_come_before_the_first_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    happened: list[str] = []
    for cls, name in ((LocatingSAC, "teach"), (LocatingSAC, "look_again"), (FastSAC, "train")):
        whole = getattr(cls, name)
        monkeypatch.setattr(
            cls, name, lambda self, *a, name=name, whole=whole: (happened.append(name), whole(self, *a))[1]
        )
    run(TrainConfig(**SMALL | {"total_steps": 30}, out=str(tmp_path / "a")))
    assert happened == ["teach"] * 3 + ["look_again"] + ["train", "teach", "train"] * 2 + ["train"]


@drawn
def test_sac_does_not_bend_the_eye_and_the_lesson_does_not_touch_sac(model: LocatingSAC) -> None:
    def weights() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        return copy.deepcopy((dict(model.eye.state_dict()), model.learner.stock_weights()))

    def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
        return all(torch.equal(a[key], b[key]) for key in a)

    (eye, heads), _ = weights(), FastSAC.train(model, 2, 8)
    later_eye, later_heads = weights()
    assert same(eye, later_eye) and not same(heads, later_heads)
    model.teach()
    assert not same(later_eye, model.eye.state_dict()) and same(later_heads, model.learner.stock_weights())
    assert all(p.grad.abs().sum() > 0 for p in model.eye.parameters())


@drawn
def test_lessons_are_learned_in_metres(model: LocatingSAC) -> None:
    errors = [model.teach() for _ in range(60)]
    assert np.mean(errors[-5:]) < 0.6 * errors[0]
    model.look_again()
    replay = model.replay_buffer
    off = np.concatenate([x[:, replay.place] - x[:, : replay.goal] for *_, x, _ in replay.everything()])
    assert np.linalg.norm(off, axis=1).mean() == pytest.approx(np.mean(errors[-5:]), abs=0.02)


def test_the_heads_read_the_goal_the_place_in_metres_and_the_joints() -> None:
    torch.manual_seed(0)
    encoder, seen = ENCODERS.build("locating:trunk=manipulation", SPACE), observations()
    encoder.places(torch.rand(50, 3) * 0.1 + 1.3)
    with torch.no_grad():
        goal, place, joints = encoder(seen).split([3, 3, 10], dim=1)
        normalised = encoder.normalised(seen)
    assert torch.equal(goal, seen["desired_goal"]) and torch.equal(joints, seen["observation"])
    torch.testing.assert_close(place, normalised * encoder.places.spread() + encoder.places.mean)


@drawn
@pytest.mark.parametrize(("change", "words"), [
    ("--augment shift", "shifted would be labelled wrongly"), ("--encoder none", "--encoder locating"),
    ("--wrap pixels:goal_mode=desired,size=24", "goal_mode=both"),
    ("--wrap pixels:proprioception=false,size=24 --mirror True", "proprioception=true"),
    ("--lesson-every 0", "--lesson-every"),
])  # fmt: skip
def test_bad_input_is_one_line(change: str, words: str, tmp_path: Path, commands: Any) -> None:
    wrap = "" if "--wrap" in change else "--wrap pixels:size=24"
    encoder = "" if "--encoder" in change else "--encoder locating:trunk=manipulation"
    her = "" if "--wrap" in change else "--her"
    line = commands(f"train --algo sac {her} --env FetchPush-v4 --backend locating {encoder} {wrap} {change} "
                    "--out a", tmp_path).one_line()  # fmt: skip
    assert words in line and not list(tmp_path.glob("a*"))
