"""The critics know the state while they train, the actor sees pictures only: Pinto et al. 2017, arXiv:1710.06542.

    python train.py --algo sac --backend asymmetric --env FetchPush-v4 --her \
        --wrap pixels:goal_mode=both,truth=true --encoder manipulation

In a simulator the state is there to be read, and critics are thrown away when the policy is deployed. Critics that read
it learn at once what an action is worth, where those that see pictures must first learn to see. What remains for the
encoder is the actor's own loss, which here is the one that trains it.

Their target asks what the actor would do next, and that takes a look at the next picture. A look costs many times what
an update of perceptrons does. So `critic_steps` updates of the critics share one, and one update of the actor follows.
(TD3 delays its actor, too: Fujimoto et al. 2018, arXiv:1802.09477.)
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
from agents.learner import Batch, Learner
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
        truth: tuple[int, int], critic_steps: int = 1,
    ):  # fmt: skip
        super().__init__(features, actions, hidden, learning_rate, tau, ent_coef, clip_targets, device, encoder)
        self.critic_steps = critic_steps
        self.truth = Truth(*truth).to(device)
        self.critic = TwinCritic(truth[0] + 2 * truth[1], actions, hidden).to(device)
        self.target = copy.deepcopy(self.critic).requires_grad_(False)
        # The encoder changes sides.
        self.value = nn.ModuleDict({"critic": self.critic})
        self.student = nn.ModuleDict({"actor": self.actor, "encoder": self.encoder})
        self.critic_optimizer = torch.optim.Adam(self.value.parameters(), lr=learning_rate)
        self.actor_optimizer = torch.optim.Adam(self.student.parameters(), lr=learning_rate)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """`critic_steps` updates of the critics and one of the actor, for which each picture is looked at once."""
        self.updates += 1
        alpha = self.log_ent_coef.detach().exp()
        noise, next_noise = batch.noise.chunk(2)
        # (B, …) -> (B, F), with the gradient of the actor's loss
        features = self.encoder(batch.observations)
        with torch.no_grad():
            next_features = self.encoder(batch.next_observations)
        for step in range(self.critic_steps):
            # Each row gets another row's noise, so that other actions are judged every time.
            target = self.td_target(batch, next_noise.roll(step, 0), alpha, next_features)
            measured = {"target_mean": target.mean()} | self.improve_critics(batch, features, target)
            self.follow()
        sample = self.actor.sample(features, noise)
        measured |= {"ent_coef": alpha[0], "entropy": -sample.log_prob.detach().mean()}
        measured |= self.improve_entropy_weight(sample.log_prob.detach()) if self.tuned else {}
        return measured | self.improve_actor(self.truth(batch.observations), sample, alpha)

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
            truth=(space["truth"].shape[0], space["desired_goal"].shape[0]), critic_steps=self.fast["critic_steps"],
        )  # fmt: skip


def build_asymmetric(settings: dict[str, Any], env: VecEnv, device: str) -> BaseAlgorithm:
    """The learner that `settings` describe. Raises `UserError` where the task does not show what it needs."""
    missing = {"truth", "achieved_goal", "desired_goal"} - set(getattr(env.observation_space, "spaces", {}))
    if missing or not settings.get("encoder"):
        raise UserError(
            "--backend asymmetric needs pictures and the truth beside them: "
            "add --wrap pixels:goal_mode=both,truth=true and --encoder."
        )
    return build_fast(settings, env, device, {"sac": Asymmetric}, critic_steps=settings["critic_steps"])
