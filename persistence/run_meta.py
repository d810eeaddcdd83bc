"""`<out>.meta.json`: what a run says about itself, as of its last checkpoint."""

from __future__ import annotations

from stable_baselines3.common.base_class import BaseAlgorithm

from agents.checkpoint import weights_sha256
from analysis.reports import Evaluation, TrainMeta
from common import provenance
from configs.recipes import Resolved
from persistence.run_files import RunState

PROTOCOL = "deterministic policy, {n} held-out episodes from seed 1500000000 on, success at the last step"


def run_meta(
    resolved: Resolved, state: RunState, model: BaseAlgorithm, total: int, evaluated: bool, status: str,
    message: str | None = None,
) -> TrainMeta:  # fmt: skip
    """Metadata of a run of `total` steps whose last checkpoint holds `state`; `evaluated`: whether it measures success.

    The hash of the weights is there once the run is finished.
    """
    settings, seconds = resolved.settings, state.training_s
    common = provenance.metadata(
        settings, status=status, env_id=settings["env"], seeds=[settings["seed"]], device=model.device.type,
        n_envs=settings["n_envs"], wall_clock_s=round(state.wall_clock_s, 3),
        steps_per_second=round(state.steps / seconds, 2) if seconds else None,
        updates_per_second=round(state.updates / seconds, 2) if seconds else None,
        evaluation_protocol=PROTOCOL.format(n=settings["eval_episodes"]) if evaluated else None,
    )  # fmt: skip
    return TrainMeta(
        **common, sources=resolved.sources, recipe=resolved.recipe, total_steps=total, steps=state.steps,
        updates=state.updates, resumed=state.resumed, message=message,
        kernel=getattr(model, "fast", {}).get("kernel"),
        weights_sha256=weights_sha256(model.policy) if status == "finished" else None,
        evaluations=[Evaluation(**row) for row in state.evaluations],
    )  # fmt: skip
