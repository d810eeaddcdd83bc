"""The critics know the state while they train, the actor sees pictures only: Pinto et al. 2017, arXiv:1710.06542.

    python train.py --algo sac --backend asymmetric --env FetchPush-v4 --her \
        --wrap pixels:goal_mode=both,truth=true --encoder manipulation

In a simulator the state is there to be read, and critics are thrown away when the policy is deployed. Critics that read
it learn at once what an action is worth, where those that see pictures must first learn to see. What remains for the
encoder is the actor's own loss, which here is the one that trains it.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from agents.build import build_fast
from agents.encoders.parts import RunningNorm
from agents.fast_sac import FastSAC
from agents.learner import Learner
from agents.modules import TwinCritic, extractor_weights
from agents.sac import Sac
from common.errors import UserError


class Truth(nn.Module):
    """What the critics read: the task's own observation, the desired goal, and the way from the object to it."""

    def __init__(self, observation: int, goal: int):
        super().__init__()
        self.norm = RunningNorm(observation + 2 * goal)

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """(B, O + 2 G), normalised."""
        desired = observations["desired_goal"]
        return self.norm(torch.cat([observations["truth"], desired, desired - observations["achieved_goal"]], dim=1))


class AsymmetricSac(Sac):
    """SAC of whose networks only the actor and its encoder look at pictures."""

    networks = (*Sac.networks, "truth")

    def __init__(
        self, features: int, actions: int, hidden: Any, learning_rate: float, tau: float, ent_coef: float | None,
        clip_targets: tuple[float, float] | None = None, device: str = "cpu", encoder: nn.Module | None = None, *,
        truth: tuple[int, int],
    ):  # fmt: skip
        super().__init__(features, actions, hidden, learning_rate, tau, ent_coef, clip_targets, device, encoder)
        self.truth = Truth(*truth).to(device)
        self.critic = TwinCritic(truth[0] + 2 * truth[1], actions, hidden).to(device)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        # The encoder changes sides.
        self.value = nn.ModuleDict({"critic": self.critic})
        self.student = nn.ModuleDict({"actor": self.actor, "encoder": self.encoder})
        self.critic_optimizer = torch.optim.Adam(self.value.parameters(), lr=learning_rate)
        self.actor_optimizer = torch.optim.Adam(self.student.parameters(), lr=learning_rate)

    def actor_reads(self, features: Tensor) -> Tensor:
        """The features (B, F), which the actor's loss trains."""
        return features

    def critics_read(self, observations: Any, features: Tensor) -> Tensor:
        """The truth (B, K) in place of the features."""
        return self.truth(observations)

    def stock_weights(self) -> dict[str, Tensor]:
        """Those of the actor and its encoder: stock's critics would be of another size, and stay as they began."""
        weights = {key: tensor for key, tensor in super().stock_weights().items() if not key.startswith("critic")}
        return weights | extractor_weights(self.encoder, ("actor", "critic", "critic_target"))

    def _optimised(self) -> dict[str, Any]:
        return super()._optimised() | {"actor_optimizer": (self.actor_optimizer, dict(self.student.named_parameters()))}


class Asymmetric(FastSAC):
    """The off-policy loop with such a learner."""

    def _learner(self, bounds: tuple[float, float] | None) -> Learner:
        space = self.observation_space
        return AsymmetricSac(
            self.features, self.action_space.shape[0], self.policy_kwargs["net_arch"], self.learning_rate, self.tau,
            None if self.ent_coef == "auto" else float(self.ent_coef), bounds, str(self.device), self.encoder,
            truth=(space["truth"].shape[0], space["desired_goal"].shape[0]),
        )  # fmt: skip


def build_asymmetric(settings: dict[str, Any], env: VecEnv, device: str) -> BaseAlgorithm:
    """The learner that `settings` describe. Raises `UserError` where the task does not show what it needs."""
    missing = {"truth", "achieved_goal", "desired_goal"} - set(getattr(env.observation_space, "spaces", {}))
    if missing or not settings.get("encoder"):
        raise UserError(
            "--backend asymmetric needs pictures and the truth beside them: "
            "add --wrap pixels:goal_mode=both,truth=true and --encoder."
        )
    return build_fast(settings, env, device, {"sac": Asymmetric})
