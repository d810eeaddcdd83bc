"""A run examined while it learns: what its critics promise, what its policy then obtains, what its replay holds.

    examination = Examination(config.env)
    train.run(config, callbacks=[examination])
    numbers = analysis.replay_diagnostics.diagnose(*examination.results())

The replay cannot say whether the critics are right: the returns in it were obtained by the policies of their time. So
the policy of today acts, from fresh resets and beyond the task's time limit, until what is left is discounted away.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from agents.replay_inspection import entropy_coefficient, explore, replay_contents
from analysis.reports import Evaluation
from callbacks.base import RunCallback
from envs.make import make_env

# Training seeds lie below 2**30 + 2**20, those of evaluations begin at 1,500,000,000: no other episode has these.
FIRST_SEED = 1_600_000_000


class Examination(RunCallback):
    """Examines a run of an off-policy learner at each of its evaluations; training does not notice.

    `episodes`: for each comparison of promised and obtained returns. `prepare` may change the model before its first
    step. Call `results` once the run is over.
    """

    def __init__(self, env_id: str, episodes: int = 10, prepare: Callable[[Any], None] | None = None):
        super().__init__()
        self.env_id, self.episodes, self.prepare = env_id, episodes, prepare
        self.trend: list[dict[str, Any]] = []

    def on_segment_start(self, segment: int) -> None:
        """Change the model, once."""
        if segment == 0 and self.prepare:
            self.prepare(self.model)

    def on_evaluation(self, result: Evaluation) -> None:
        """Note α, what is promised and what is obtained."""
        returns = obtained_returns(self.model, self.env_id, self.episodes)
        self.trend.append({
            "steps": result.steps, "updates": result.updates, "alpha": entropy_coefficient(self.model),
            "promised": float(returns["values"].min(0).mean()), "soft": float(returns["soft"].mean()),
            "rewards": float(returns["rewards"].mean()), "success": result.success.model_dump(),
        })  # fmt: skip

    def results(self) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], list[dict[str, Any]]]:
        """The replay as it is, promised and obtained returns now, and the trend: what `diagnose` reads.

        Arrays (N, …) of N transitions (`replay_contents`), and the (K, T, n) and (T, n) of `obtained_returns`.
        """
        returns = obtained_returns(self.model, self.env_id, self.episodes)
        return replay_contents(self.model.replay_buffer), returns, self.trend

    def state(self) -> dict[str, Any]:
        """The trend so far."""
        return {"trend": self.trend}

    def load(self, state: dict[str, Any]) -> None:
        """Go on with an earlier trend."""
        self.trend = state["trend"]


def obtained_returns(
    model: OffPolicyAlgorithm, env_id: str, episodes: int, states: int = 50, beyond: int = 100
) -> dict[str, np.ndarray]:
    """Q of (s, a) for the first `states` steps of sampled `episodes`, and the returns that followed them.

    `values` (K, states, episodes): each critic's. `rewards` (states, episodes): Σ γᵏ rₜ₊ₖ over the states left and
    `beyond` more steps. `soft`, alike: with the entropy that counts in Q, −α log π of every later action. What is cut
    off weighs γ^`beyond` or less.
    """
    gamma, alpha = model.gamma, entropy_coefficient(model)
    envs = [make_env(env_id) for _ in range(episodes)]
    seen = [env.reset(seed=FIRST_SEED + i)[0] for i, env in enumerate(envs)]
    rewards, log_probs = np.zeros((2, states + beyond, episodes))
    values = []
    for t in range(states + beyond):
        actions, log_probs[t], q = explore(model, {key: np.stack([each[key] for each in seen]) for key in seen[0]})
        values.append(q)
        scaled = model.policy.unscale_action(actions)
        # Unwrapped: the time limit belongs to the task's episodes, not to what a state is worth.
        steps = [env.unwrapped.step(action) for env, action in zip(envs, scaled, strict=True)]
        seen, rewards[t] = [step[0] for step in steps], [step[1] for step in steps]
    for env in envs:
        env.close()
    return {"values": np.stack(values[:states], axis=1)} | returns_to_go(rewards, log_probs, gamma, alpha, states)


def returns_to_go(
    rewards: np.ndarray, log_probs: np.ndarray, gamma: float, alpha: float, states: int
) -> dict[str, np.ndarray]:
    """Discounted returns (states, n) from each of the first `states` rows of `rewards` and log-densities (T, n)."""
    plain, soft = np.zeros((2, len(rewards) + 1, rewards.shape[1]))
    later = np.vstack([log_probs[1:], np.zeros((1, rewards.shape[1]))])
    for t in reversed(range(len(rewards))):
        # G_t = r_t + γ G_{t+1}
        plain[t] = rewards[t] + gamma * plain[t + 1]
        # Q_t = r_t + γ (Q_{t+1} − α log π_{t+1}): the entropy of the action itself is not in its own Q
        soft[t] = rewards[t] + gamma * (soft[t + 1] - alpha * later[t])
    return {"rewards": plain[:states], "soft": soft[:states]}
