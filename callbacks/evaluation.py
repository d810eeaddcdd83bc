"""Evaluations during training, on seeds that neither training nor a final evaluation uses."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.policies import BasePolicy

from agents.acting import acting
from analysis.metrics import episode_metrics, rate
from analysis.reports import Evaluation
from callbacks.base import RunCallback
from common.provenance import cores
from envs.rollout import run_episodes
from envs.task import Task

# Reports use small seeds (0-99), training draws its own below 2**30 + 2**20 (agents/segments.py): these meet neither.
FIRST_SEED = 1_500_000_000


class LogEvaluations(RunCallback):
    """Writes each evaluation to wherever the run's metrics go."""

    def on_evaluation(self, result: Evaluation) -> None:
        """A line of the metric log; in TensorBoard `eval/success`, and `eval/success_net` of what began unsolved."""
        rates = {"eval/success": result.success.rate, "eval/success_net": result.success_net.rate}
        # A rate over no episode at all is None, and no point of a curve.
        known = {key: rate for key, rate in rates.items() if rate is not None}
        for writer in self.logger.output_formats:
            # Our own log takes all of an evaluation, stock writers take numbers.
            if hasattr(writer, "evaluation"):
                writer.evaluation(result)
            else:
                writer.write(known, dict.fromkeys(known), result.steps)


def evaluation_due(every: int, before: int, steps: int, total: int, updates: int) -> bool:
    """Whether a segment from step `before` to `steps` passed a multiple of `every`, or ended the run; 0: never.

    Not before the first of the `updates`: the policy is still the one that the seed drew.
    """
    passed = every > 0 and steps // every > before // every
    return passed and updates > 0 or every > 0 and steps >= total


def evaluate(
    policy: BasePolicy, task: Task, n_episodes: int, steps: int, updates: int, wall_clock_s: float,
    check: Callable[[], None] = lambda: None,
) -> Evaluation:  # fmt: skip
    """The deterministic policy over `n_episodes` episodes, always the same ones. `check` may raise to stop early.

    Environments of their own, made from `task`: whatever a curriculum does to the training ones does not reach them.
    """
    episodes = []
    seeds = range(FIRST_SEED, FIRST_SEED + n_episodes)
    # A Stable-Baselines3 policy keeps its last distribution in itself, and one that has just been trained cannot be
    # copied for each thread. So where it has parts that `acting` does not know, it acts in one environment.
    shared = acting(policy)
    # To make an environment takes as long as an episode does: a thread is worth it for a few of them.
    n_envs = min(cores(), n_episodes // 4) if shared else 1
    for trace in run_episodes(lambda: shared or policy, task.make, seeds, n_envs):
        episodes.append(episode_metrics(trace))
        check()
    return Evaluation(
        steps=steps,
        updates=updates,
        wall_clock_s=round(wall_clock_s, 3),
        success=rate([e.success for e in episodes]),
        success_net=rate([e.success for e in episodes if not e.solved_at_reset]),
    )
