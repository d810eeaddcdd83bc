"""A student that sees pixels learns from a teacher that knows the state: DAgger (Ross et al. 2011, arXiv:1011.0686).

    python train.py --algo sac --backend dagger --env FetchPush-v4 --teacher checkpoints/reference/FetchPush-v4.zip \
        --wrap pixels:goal_mode=desired --encoder manipulation

Copying the teacher's episodes alone is not enough: the student's small errors carry it to places where the teacher
never was, and where it was never told what to do. So the student acts, the teacher says at each step what it would
have done there, and the student learns that. In the warm-up, before the student knows anything, the teacher acts.

What is learned from are action labels alone: no reward, no hindsight, no critic. The teacher is asked about the state
behind the pictures while training; what acts afterwards sees what its wrapper shows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from agents.archive import read_meta, zip_path
from agents.build import build_fast
from agents.checkpoint import load_policy
from agents.fast_sac import FastSAC
from agents.learner import Batch, Learner
from agents.modules import descend, grad_norm
from agents.sac import Sac
from common.errors import UserError


class Imitation(Sac):
    """SAC's networks, of which actor and encoder learn to do what the actions of a batch say; the critics stay idle.

    So what is trained is stored, continued, evaluated and loaded as any other SAC policy.
    """

    def __init__(self, features: int, actions: int, hidden: Any, learning_rate: float, **options: Any):
        super().__init__(features, actions, hidden, learning_rate, tau=0.0, ent_coef=0.0, **options)
        # Here it is the actor's loss that trains the encoder: there is no other.
        self.student = nn.ModuleDict({"actor": self.actor, "encoder": self.encoder})
        self.actor_optimizer = torch.optim.Adam(self.student.parameters(), lr=learning_rate)

    def update(self, batch: Batch) -> dict[str, Tensor]:
        """One step towards the labels `batch.actions` (B, A)."""
        self.updates += 1
        mean, _ = self.actor(self.encoder(batch.observations))
        # L = mean (tanh μ(s) − a*)²
        loss = (torch.tanh(mean) - batch.actions).square().mean()
        descend(self.actor_optimizer, loss)
        return {"imitation_loss": loss.detach(), "actor_grad_norm": grad_norm(self.student.parameters())}

    def _optimised(self) -> dict[str, Any]:
        return super()._optimised() | {"actor_optimizer": (self.actor_optimizer, dict(self.student.named_parameters()))}


class Dagger(FastSAC):
    """The off-policy loop with a teacher: what is executed and what is stored are different actions."""

    def __init__(self, policy: str, env: VecEnv, length: int, fast: dict[str, Any], **arguments: Any):
        self.teacher: BasePolicy = fast.pop("teacher")
        super().__init__(policy, env, length, fast, **arguments)

    def _learner(self, bounds: tuple[float, float] | None) -> Learner:
        return Imitation(
            self.features, self.action_space.shape[0], self.policy_kwargs["net_arch"], self.learning_rate,
            device=str(self.device), encoder=self.encoder,
        )  # fmt: skip

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "teacher"]

    def _labels(self) -> np.ndarray:
        """What the teacher would do now in each environment, (n, A) in [−1, 1]."""
        states = self.env.get_attr("state")
        stacked = {key: np.stack([state[key] for state in states]) for key in states[0]}
        return self.policy.scale_action(self.teacher.predict(stacked, deterministic=True)[0])

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        """The teacher's action in the warm-up, then the student's, a share of them random; and the teacher's label."""
        labels, last = self._labels(), self._last_obs
        _, random_actions, random_now = self.explorer.draw(self.generator, self.fast["random_action_prob"], 0.0)
        chosen = labels
        if self.num_timesteps >= learning_starts:
            observations = self._observations(self.replay_buffer.flat(last), self.replay_buffer.rest(last))
            chosen = self.learner.act(observations, None).cpu().numpy()
        executed = np.where(random_now[:, None], random_actions, chosen)
        return self.policy.unscale_action(executed), labels.astype(np.float32)

    def _encoded(self, size: int) -> Batch:
        """A batch of observations and labels; nothing of what came after is looked at."""
        drawn = self.replay_buffer.sample(size, self.generator)
        here = self.augment(self._observations(drawn.x, drawn.extra))
        others = [torch.from_numpy(a).to(self.device) for a in (drawn.actions, drawn.rewards, drawn.discounts)]
        return Batch(here, here, *others, torch.zeros(2 * size, drawn.actions.shape[1], device=self.device))


def load_teacher(path: str, env: VecEnv, env_id: str) -> BasePolicy:
    """The policy of the checkpoint at `path`. Raises `UserError` unless it acts on the state of this very task."""
    if not path:
        raise UserError("--backend dagger needs a teacher: --teacher CHECKPOINT.zip of a policy from state.")
    if not env.has_attr("state"):
        raise UserError("--backend dagger: this task does not say its state; add --wrap pixels.")
    meta = read_meta(zip_path(path))
    if meta.env_id != env_id or meta.config.get("wrap") or meta.config.get("encoder"):
        raise UserError(f"--teacher {path}: a policy from the state of {env_id} is needed, without wrappers.")
    # The task without its wrappers shows the state.
    return load_policy(zip_path(path), env.get_attr("unwrapped", indices=[0])[0], env_id, "cpu")[0]


def build_dagger(settings: dict[str, Any], env: VecEnv, device: str) -> Dagger:
    """The student that `settings` describe, with its teacher. Raises `UserError`."""
    if settings["her"] or not settings.get("encoder"):
        raise UserError("--backend dagger learns from labels, through an encoder: leave out --her and add --encoder.")
    teacher = load_teacher(settings["teacher"], env, settings["env"])
    return build_fast(settings, env, device, {"sac": Dagger}, teacher=teacher)
