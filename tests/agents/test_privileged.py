"""Critics that know more while they train than what acts: which loss trains what, and nothing leaks."""

from __future__ import annotations

import pytest
import torch

from agents.asymmetric import AsymmetricSac
from agents.learner import Batch
from agents.networks import ENCODERS
from tests.agents.test_encoders import SPACE, N, observations

HIDDEN = (16,)


def learner(critic_steps: int = 1) -> AsymmetricSac:
    torch.manual_seed(0)
    encoder = ENCODERS.build("manipulation", SPACE)
    return AsymmetricSac(encoder.features_dim, 4, HIDDEN, 1e-3, 0.01, 0.1, encoder=encoder, truth=(25, 3),
                         critic_steps=critic_steps)  # fmt: skip


def batch(**changed: torch.Tensor) -> Batch:
    generator = torch.Generator().manual_seed(2)
    here = observations(0) | changed
    return Batch(here, observations(1), torch.rand(N, 4, generator=generator), -torch.ones(N), torch.full((N,), 0.9),
                 torch.randn(2 * N, 4, generator=generator))  # fmt: skip


@pytest.mark.parametrize("secret", ["achieved_goal", "truth"])
def test_what_acts_reads_no_secret(secret: str) -> None:
    trained = learner()
    for _ in range(3):
        trained.update(batch())
    seen = observations(3)
    before = trained.act(seen, None)
    assert torch.equal(before, trained.act(seen | {secret: seen[secret] + 100.0}, None))
    assert torch.equal(before, trained.act({key: seen[key] for key in seen if key != secret}, None))
    assert not torch.equal(before, trained.act(seen | {"pixels": 1 - seen["pixels"]}, None))


def test_the_actors_loss_trains_the_encoder_and_the_critics_does_not() -> None:
    trained = learner()
    weight = next(p for p in trained.encoder.look.parameters() if p.dim() == 4)
    for name in ("actor", "critic"):
        for other in ("actor", "critic"):
            getattr(trained, f"{other}_optimizer").param_groups[0]["lr"] = 1e-3 * (other == name)
        before = weight.detach().clone()
        trained.update(batch())
        assert (name == "actor") == (not torch.equal(before, weight)), name


def test_the_critics_of_an_asymmetric_learner_see_no_picture_and_its_actor_no_truth() -> None:
    one, other = learner(), learner()
    features = [m.encoder(batch().observations) for m in (one, other)]
    losses = [
        m.improve_critics(batch(**change), f, -torch.ones(N))["critic_loss"]
        for m, f, change in zip((one, other), features, ({}, {"pixels": torch.zeros(N, 6, 40, 40)}), strict=True)
    ]
    assert torch.equal(*losses)
    changed = learner().improve_critics(batch(truth=torch.rand(N, 25)), features[0], -torch.ones(N))
    assert not torch.equal(losses[0], changed["critic_loss"])
    # Stock's critics, which would read pictures, are left as they are.
    assert not [key for key in one.stock_weights() if key.startswith("critic.qf")]


def test_critic_steps_share_a_look_at_the_pictures_and_judge_other_actions() -> None:
    trained, looked, judged = learner(critic_steps=3), [], []
    trained.encoder.register_forward_hook(lambda *_: looked.append(1))
    trained.target.register_forward_hook(lambda _, read, __: judged.append(read[1]))
    trained.update(batch())
    # One look at the frames here, one at those after the step.
    assert len(looked) == 2 and len(judged) == 3
    assert not torch.equal(judged[0], judged[1]) and not torch.equal(judged[1], judged[2])
    adam = trained.critic_optimizer.state[trained.critic.members[0][0].weight]
    assert adam["step"] == 3 and trained.actor_optimizer.state[trained.actor.layers[0].weight]["step"] == 1


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_a_learner_goes_on_where_its_state_was_taken(critic_steps: int) -> None:
    one, other = learner(critic_steps), learner(critic_steps)
    one.update(batch())
    other.load(one.state())
    one.update(batch()), other.update(batch())
    pairs = zip(one.state()["encoder"].values(), other.state()["encoder"].values(), strict=True)
    assert all(torch.equal(*pair) for pair in pairs)
    assert torch.equal(one.critic.members[0][0].weight, other.critic.members[0][0].weight)
