"""Encoders of pictures: what they may read, what they compute, and which loss trains them."""

from __future__ import annotations

import copy
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch

from agents.augmentations import AUGMENTATIONS, Crop, Jitter, Shift, augmentation
from agents.dagger import Dagger
from agents.encoders.parts import RunningNorm
from agents.encoders.spatial_softmax import SpatialSoftmax
from agents.fast_sac import FastSAC
from agents.kernels.onednn import native_bf16
from agents.learner import Batch
from agents.networks import ENCODERS
from agents.sac import Sac
from common.errors import UserError

SIZE, N = 40, 3
BUILT_IN = ("cnn", "locating", "manipulation", "nature", "spatial")
SPACE = gym.spaces.Dict({
    "achieved_goal": gym.spaces.Box(-9, 9, (3,)), "desired_goal": gym.spaces.Box(-9, 9, (3,)),
    "truth": gym.spaces.Box(-9, 9, (25,)),
    "observation": gym.spaces.Box(-9, 9, (10,)), "pixels": gym.spaces.Box(0, 255, (6, SIZE, SIZE), np.uint8),
})  # fmt: skip


def observations(seed: int = 0, n: int = N) -> dict[str, torch.Tensor]:
    """As the learner gives them to an encoder: pictures between 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {key: box.shape for key, box in SPACE.spaces.items()}
    return {key: torch.rand(n, *shape, generator=generator) for key, shape in shapes.items()}


def test_these_are_all() -> None:
    assert {*BUILT_IN, "blind"} <= set(ENCODERS.names())


@pytest.mark.parametrize("name", BUILT_IN)
def test_reads_everything_but_the_achieved_goal_and_the_truth(name: str) -> None:
    torch.manual_seed(0)
    encoder = ENCODERS.build(name, SPACE)
    seen = {key: value.requires_grad_() for key, value in observations().items()}
    features = encoder(seen)
    assert features.shape == (N, encoder.features_dim) and torch.isfinite(features).all()
    features.square().sum().backward()
    assert seen["achieved_goal"].grad is None and seen["truth"].grad is None
    for key in ("desired_goal", "observation", "pixels"):
        assert seen[key].grad.abs().sum() > 0, key


@pytest.mark.parametrize("name", BUILT_IN)
def test_no_picture_is_a_mistake(name: str) -> None:
    with pytest.raises(UserError, match="there is no image"):
        ENCODERS.build(name, gym.spaces.Dict({"observation": SPACE["observation"]}))


@pytest.mark.parametrize("name", ["manipulation", "nature", "spatial"])
def test_a_picture_that_is_too_small_is_a_mistake(name: str) -> None:
    small = gym.spaces.Dict({"pixels": gym.spaces.Box(0, 255, (3, 16, 16), np.uint8)})
    with pytest.raises(UserError, match="16 by 16 pixels are too small"):
        ENCODERS.build(name, small)


def test_drqs_encoder_reads_smaller_pictures_and_has_its_limit_too() -> None:
    space = {size: gym.spaces.Dict({"pixels": gym.spaces.Box(0, 255, (3, size, size), np.uint8)}) for size in (8, 16)}
    ENCODERS.build("cnn", space[16])
    with pytest.raises(UserError, match="too small for four convolutions"):
        ENCODERS.build("cnn", space[8])


def test_running_norm_has_the_moments_of_all_batches_and_stands_still_without_gradients() -> None:
    norm, x = RunningNorm(2), torch.randn(300, 2, dtype=torch.float64).float() * torch.tensor([0.05, 0.0]) + 1.34
    for part in x.split([100, 150, 50]):
        norm(part)
    torch.testing.assert_close(norm.mean, x.mean(0))
    torch.testing.assert_close(norm.variance, x.var(0, unbiased=False), rtol=1e-3, atol=1e-9)
    before = copy.deepcopy(norm.state_dict())
    with torch.no_grad():
        out = norm(x)
    norm.eval()(x + 5)
    assert all(torch.equal(before[key], value) for key, value in norm.state_dict().items())
    # The constant entry is centred and not blown up.
    assert out[:, 0].std() == pytest.approx(1.0, rel=0.01) and out[:, 1].abs().max() < 1e-3


def test_the_blind_control_reads_no_picture() -> None:
    encoder = ENCODERS.build("blind", SPACE)
    seen = {key: value.requires_grad_() for key, value in observations().items()}
    assert encoder(seen).shape == (N, 13) == (N, encoder.features_dim)
    encoder(seen).sum().backward()
    assert seen["pixels"].grad is None and seen["achieved_goal"].grad is None


@pytest.mark.parametrize("name", ["manipulation", "nature", "spatial"])
def test_bf16_rounds_in_training_alone(name: str) -> None:
    encoders = []
    for text in (name, f"{name}:bf16=true"):
        torch.manual_seed(0)
        encoders.append(ENCODERS.build(text, SPACE))
    exact, rounded = encoders
    with torch.no_grad():
        assert torch.equal(*(encoder.eval()(observations()) for encoder in encoders))
    gradients = []
    for encoder in encoders:
        encoder.train()(observations()).square().sum().backward()
        gradients.append(torch.cat([p.grad.flatten() for p in encoder.parameters()]))
    assert all(p.grad.dtype == torch.float32 for p in rounded.parameters())
    assert torch.equal(*gradients) != native_bf16()
    assert torch.cosine_similarity(*gradients, dim=0) > 0.99


def test_spatial_softmax_finds_a_peak() -> None:
    maps = torch.zeros(1, 2, 9, 5)
    maps[0, 0, 0, 4], maps[0, 1, 4, 2] = 100.0, 100.0
    torch.testing.assert_close(SpatialSoftmax(9, 5)(maps), torch.tensor([[1.0, 0.0, -1.0, 0.0]]))


def test_the_critic_trains_the_encoder_and_the_actor_does_not() -> None:
    torch.manual_seed(0)
    encoder = ENCODERS.build("manipulation", SPACE)
    learner = Sac(encoder.features_dim, 4, (16,), 1e-3, 0.01, 0.1, encoder=encoder)
    batch = Batch(observations(0), observations(1), torch.rand(N, 4), torch.rand(N), torch.full((N,), 0.9),
                  torch.randn(2 * N, 4))  # fmt: skip
    weight = learner.encoder.look[0][0][0].weight

    def moved_by(losses: set[str]) -> bool:
        """Whether an update with the other losses' steps left out moves the encoder."""
        before = weight.detach().clone()
        for name, optimizer in (("actor", learner.actor_optimizer), ("critic", learner.critic_optimizer)):
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 if name in losses else 0.0
        learner.update(batch)
        return not torch.equal(before, weight)

    assert not moved_by({"actor"}) and moved_by({"critic"})
    # The actor's loss does not reach it either: what is left in `.grad` is the critics'.
    learner.encoder.zero_grad()
    features = learner.encoder(batch.observations)
    sample = learner.actor.sample(features.detach(), batch.noise[:N])
    learner.improve_actor(features.detach(), sample, torch.tensor([0.1]))
    assert all(p.grad is None for p in learner.encoder.parameters())


def picture() -> torch.Tensor:
    """(2, 6, 32, 32): two stacked frames, the second a copy of the first, brightness by the place."""
    ramp = torch.linspace(0.2, 0.8, 32)
    frame = torch.stack([ramp.expand(32, 32), ramp.expand(32, 32).T, (ramp * ramp[:, None])])
    return torch.cat([frame, frame]).expand(2, 6, 32, 32).clone()


@pytest.mark.parametrize("name", ["shift", "crop", "jitter"])
def test_augmentations_differ_between_images_and_not_within_a_stack(name: str) -> None:
    torch.manual_seed(1)
    images, change = picture(), AUGMENTATIONS.build(name, SPACE["pixels"])
    changed = change(images)
    assert changed.shape == images.shape and changed.min() >= 0 and changed.max() <= 1
    torch.testing.assert_close(changed[:, :3], changed[:, 3:])
    assert not torch.equal(changed[0], changed[1]) and torch.equal(images, picture())
    torch.manual_seed(1)
    torch.testing.assert_close(change(images), changed)


def test_shift_moves_by_whole_pixels_up_to_its_pad() -> None:
    torch.manual_seed(0)
    images = picture()[:1].expand(200, -1, -1, -1)
    shifted = Shift(SPACE["pixels"], pad=2)(images)
    moves = set()
    for image in shifted:
        found = [(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)
                 if torch.equal(image[:, 4:-4, 4:-4], images[0, :, 4 + dy : 28 + dy, 4 + dx : 28 + dx])]  # fmt: skip
        assert len(found) == 1
        moves |= set(found)
    assert len(moves) == 25
    # What comes in at the border is the border again, and no black frame.
    assert shifted.min() == images.min()


def test_the_whole_picture_is_a_crop_and_no_jitter_leaves_it_alone() -> None:
    torch.testing.assert_close(Crop(SPACE["pixels"], share=1.0)(picture()), picture())
    torch.testing.assert_close(Jitter(SPACE["pixels"], gain=0.0, offset=0.0)(picture()), picture())


def test_only_pictures_are_augmented() -> None:
    seen = observations()
    changed = augmentation("shift:pad=3", SPACE)(seen)
    assert not torch.equal(changed["pixels"], seen["pixels"])
    assert all(changed[key] is seen[key] for key in seen if key != "pixels")
    assert augmentation("none", SPACE)(seen) is seen
    with pytest.raises(UserError, match="unknown augmentation shft"):
        augmentation("shft", SPACE)


@pytest.mark.parametrize("cls", [FastSAC, Dagger])
def test_pictures_are_augmented_whenever_they_are_drawn(cls: type) -> None:
    """Before and after the step, each by itself; a student looks at nothing that came after."""
    one = np.zeros(N, np.float32)
    drawn = SimpleNamespace(x="here", next_x="there", extra={}, next_extra={}, actions=np.zeros((N, 4), np.float32),
                            rewards=one, discounts=one)  # fmt: skip
    model = SimpleNamespace(
        replay_buffer=SimpleNamespace(sample=lambda size, generator: drawn), generator=None, device="cpu",
        _observations=lambda x, extra: x, augment=lambda seen: f"{seen}, moved",
    )  # fmt: skip
    batch = cls._encoded(model, N)
    after = "there, moved" if cls is FastSAC else "here, moved"
    assert (batch.observations, batch.next_observations) == ("here, moved", after)
