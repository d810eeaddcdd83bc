"""A learner laid open: what its replay holds, what its critics say of it, and two critics tied into one.

Networks are read from `model.policy`, where every backend puts them: stock classes and ours are looked at alike, after
`learn` has returned. What the arrays mean is worked out in `analysis/replay_diagnostics.py`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.replay import EpisodeReplay


def replay_contents(buffer: EpisodeReplay) -> dict[str, np.ndarray]:
    """Every stored transition, in the order in which its episode was added; N of them.

    `rewards`, `distances` (m, from the achieved to the desired goal after the step), `achieved` (N, G) and `desired`
    (N, G) (m, world frame, after the step), `episode` (N,), counted from the oldest one that is kept.
    """
    kept = buffer.export(max(0, buffer.added - buffer.episodes))
    # (E, T): which steps of an episode were made
    made = np.arange(buffer.length)[None] < kept["lengths"][:, None]
    after = kept["x"][:, 1:]
    achieved, desired = after[..., : buffer.goal][made], after[..., buffer.goal : 2 * buffer.goal][made]
    return {
        "rewards": kept["rewards"][made], "distances": np.linalg.norm(achieved - desired, axis=1),
        "achieved": achieved, "desired": desired, "episode": np.nonzero(made)[0],
    }  # fmt: skip


@torch.no_grad()
def explore(model: OffPolicyAlgorithm, observations: dict[str, np.ndarray]) -> tuple[np.ndarray, ...]:
    """The policy's own sampled actions (B, A) in [−1, 1], their log-densities (B,), and all critics' values (K, B)."""
    policy = model.policy
    tensors = {key: torch.as_tensor(value, device=policy.device).float() for key, value in observations.items()}
    actions, log_prob = policy.actor.action_log_prob(tensors)
    values = torch.stack([q[:, 0] for q in policy.critic(tensors, actions)])
    return actions.cpu().numpy(), log_prob.cpu().numpy(), values.cpu().numpy()


def entropy_coefficient(model: OffPolicyAlgorithm) -> float:
    """α as it is now, tuned or fixed."""
    learner: Any = getattr(model, "learner", None)
    if learner is not None:
        return float(learner.log_ent_coef.detach().exp())
    return float(model.log_ent_coef.detach().exp() if model.ent_coef_optimizer else model.ent_coef_tensor)


@torch.no_grad()
def start_entropy_at(model: OffPolicyAlgorithm, alpha: float) -> None:
    """Begin the tuning of the entropy coefficient at `alpha` instead of 1."""
    model.learner.log_ent_coef.data.fill_(math.log(alpha))


@torch.no_grad()
def tie_critics(model: OffPolicyAlgorithm) -> None:
    """Give the second critic the weights of the first, before training: both then learn the same for ever.

    So the smaller of the two is the first one, and the run is one with a single critic, in every other way the same.
    """
    state = model.learner.state()
    for network in ("critic", "target"):
        first = {name: weights for name, weights in state[network].items() if name.startswith("members.0.")}
        state[network] |= {name.replace("members.0.", "members.1.", 1): weights for name, weights in first.items()}
    model.learner.load(state)
    model.publish()
