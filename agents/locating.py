"""The encoder is also taught where the object is, since hindsight's replay knows that anyway: an auxiliary loss.

    python train.py --algo sac --backend locating --env FetchPush-v4 --her \
        --wrap pixels:goal_mode=both --encoder locating

Hindsight must know the achieved goal of every stored step to give another goal. So the encoder may learn to read it
from the pictures, as a regression: many more bits a transition than a reward that is 0 or −1. What acts sees pictures,
joints and the desired goal; `achieved_goal` is a label of training and no input.
"""

from __future__ import annotations

from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, cat

from agents.build import build_fast
from agents.fast_sac import FastSAC
from agents.learner import Learner
from agents.sac import Sac
from common.errors import UserError


class LocatingSac(Sac):
    """SAC whose encoder has a lesson of its own; `weight` of that loss beside the critics'."""

    def __init__(self, *arguments: Any, weight: float, **options: Any):
        super().__init__(*arguments, **options)
        self.weight = weight

    def critics_read(self, observations: Any, features: Tensor) -> Tensor:
        """The features (B, F); the critics' loss does not bend the prediction, which shall mean what it says."""
        predicted, rest = features.split([self.encoder.goal, features.shape[1] - self.encoder.goal], dim=1)
        return cat([predicted.detach(), rest], dim=1)

    def lesson(self, observations: Any, features: Tensor) -> tuple[Tensor | None, dict[str, Tensor]]:
        """How far the prediction is from where the object was."""
        error = features[:, : self.encoder.goal] - self.encoder.units(observations["achieved_goal"])
        # L = w · mean (ĝ − g)²
        loss = self.weight * error.square().mean()
        return loss, {"locating_error": self.encoder.metres(error.detach()).norm(dim=1).mean()}


class LocatingOffPolicy(FastSAC):
    """The off-policy loop with such a learner."""

    def _learner(self, bounds: tuple[float, float] | None) -> Learner:
        return LocatingSac(
            self.features, self.action_space.shape[0], self.policy_kwargs["net_arch"], self.learning_rate, self.tau,
            None if self.ent_coef == "auto" else float(self.ent_coef), bounds, str(self.device), self.encoder,
            weight=self.fast["locating_weight"],
        )  # fmt: skip


def build_locating(settings: dict[str, Any], env: VecEnv, device: str) -> BaseAlgorithm:
    """The learner that `settings` describe. Raises `UserError` where the task does not show what it needs."""
    shown = set(getattr(env.observation_space, "spaces", {}))
    if not {"achieved_goal", "desired_goal"} <= shown or not settings.get("encoder", "").startswith("locating"):
        raise UserError(
            "--backend locating needs pictures, both goals and an encoder that locates: "
            "add --wrap pixels:goal_mode=both and --encoder locating."
        )
    more = {"locating_weight": settings["locating_weight"]}
    return build_fast(settings, env, device, {"sac": LocatingOffPolicy}, **more)
