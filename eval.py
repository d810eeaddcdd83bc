"""Evaluate a checkpoint over seeded episodes, print the rates with their intervals, and write a JSON report.

    python eval.py --ckpt checkpoints/first.zip --env FetchReach-v4 --n-episodes 100 --seeds 0-99 --deterministic

The policy is built from `<ckpt>.meta.json` and given plain weights: nothing found in the checkpoint is executed.
The outcome of an episode depends on its seed and the policy alone, not on how many environments run beside it.
"""

from __future__ import annotations

import copy
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from analysis.compare import format_rate
from analysis.metrics import aggregate, episode_metrics
from analysis.reports import EvalReport, Summary, save
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError
from common.files import check_writable, sha256
from common.seeds import format_seeds, parse_seeds

__all__ = ["EvalConfig", "evaluate", "main", "report_for"]
BASELINES = ("random", "zero")


@dataclass(frozen=True)
class EvalConfig:
    """Evaluate a checkpoint over seeded episodes."""

    ckpt: str
    """Checkpoint (.zip) with its .meta.json beside it; or `random` or `zero`, the policies to beat."""
    env: str
    """Environment id."""
    n_episodes: int | None = None
    """Episodes; by default as many as there are seeds."""
    seeds: str | None = None
    """Seeds: a range 0-99, a list 0,1,2, or the first one. Training never uses seeds below 1048576."""
    seed: int | None = None
    """The first seed, instead of --seeds."""
    deterministic: bool = True
    """The policy's mean action; --no-deterministic samples."""
    json_out: str | None = None
    """Report to write."""
    video: bool = False
    """Also record a grid of the first episodes, successes and failures marked."""
    video_out: str | None = None
    """Where to, .mp4 or .gif; by default beside the checkpoint. Implies --video."""
    video_episodes: int = 9
    """Episodes in the grid."""
    video_size: int = 240
    """Pixels of one cell."""
    n_envs: int = 2
    """Environments that run side by side; changes the time it takes and nothing else."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where the network lives. One observation at a time is faster on the CPU."""
    trust_checkpoint: bool = False
    """Load a foreign Stable-Baselines3 file, which runs code found in it. Only for files you made yourself."""


class SeededSampling:
    """A stochastic policy whose randomness starts afresh with each episode's seed."""

    def __init__(self, policy: Any):
        self.policy = policy

    def seed(self, seed: int) -> None:
        """Begin an episode."""
        import torch

        torch.manual_seed(seed)

    def predict(self, observation: Any, deterministic: bool = False) -> tuple[Any, Any]:
        """A sampled action."""
        return self.policy.predict(observation, deterministic=deterministic)


def chosen_seeds(config: EvalConfig) -> list[int]:
    """The seeds that the flags name; 0-99 where they name none. Raises `UserError`."""
    if config.seed is not None and config.seeds is not None:
        raise UserError("give --seeds or --seed, not both.")
    if config.seed is not None:
        return parse_seeds(str(config.seed), config.n_episodes)
    if config.seeds is None:
        return parse_seeds("0", 100 if config.n_episodes is None else config.n_episodes)
    return parse_seeds(config.seeds, config.n_episodes)


def load_anything(config: EvalConfig) -> tuple[Any, dict[str, Any] | None, str | None]:
    """(a function that makes the policy, facts about its training, hash of its file) for `config.ckpt`."""
    from agents.build import choose_device
    from agents.checkpoint import load_policy, load_trusted, meta_path, zip_path
    from envs.make import is_goal_conditioned, make_env
    from envs.rollout import RandomPolicy, ZeroPolicy

    device = choose_device(config.device)
    env = make_env(config.env)
    try:
        if not is_goal_conditioned(env):
            raise UserError(f"{config.env} is not goal-conditioned: success and distances are not defined on it.")
        if config.ckpt in BASELINES:
            cls = RandomPolicy if config.ckpt == "random" else ZeroPolicy
            space = env.action_space
            return (lambda: cls(space)), None, None
        path = zip_path(config.ckpt)
        if config.trust_checkpoint and path.exists() and not meta_path(path).exists():
            policy, facts = load_trusted(path, device), None
            if (policy.observation_space, policy.action_space) != (env.observation_space, env.action_space):
                raise UserError(f"{path.name} was trained on another task than {config.env}: its spaces differ.")
        else:
            policy, meta = load_policy(path, env, config.env, device)
            facts = {"algo": meta.config["algo"], "her": meta.config.get("her"), "seed": meta.seeds[0],
                     "status": meta.status, "steps": meta.steps, "updates": meta.updates,
                     "wall_clock_s": meta.wall_clock_s, "config_hash": meta.config_hash}  # fmt: skip
    finally:
        env.close()

    def make_policy() -> Any:
        # One for each thread: between the two halves of a prediction Stable-Baselines3 keeps the distribution in the
        # policy itself, and another thread's would take its place.
        own = copy.deepcopy(policy)
        return own if config.deterministic else SeededSampling(own)

    return make_policy, facts, sha256(path.read_bytes())


def _side_by_side(config: EvalConfig) -> int:
    """Environments that may run at once: a sampling policy draws from PyTorch's one generator, which threads share."""
    return config.n_envs if config.deterministic or config.ckpt in BASELINES else 1


def _device_used(config: EvalConfig) -> str:
    """Where actions were computed; baselines need no network."""
    from agents.build import choose_device

    return "cpu" if config.ckpt in BASELINES else choose_device(config.device)


def report_for(
    config: EvalConfig, make_policy: Any, seeds: list[int], facts: dict[str, Any] | None, digest: str | None
) -> EvalReport:
    """Run all episodes and put them into a report."""
    from envs.make import make_env
    from envs.rollout import run_episodes

    n_envs = _side_by_side(config)
    began = time.monotonic()
    make = lambda: make_env(config.env)  # noqa: E731
    traces = run_episodes(make_policy, make, seeds, n_envs, config.deterministic)
    episodes = [episode_metrics(trace) for trace in traces]
    seconds = time.monotonic() - began
    settings = asdict(config) | {"seeds": format_seeds(seeds), "ckpt": Path(config.ckpt).name}
    for path_like in ("json_out", "video_out"):
        del settings[path_like]
    mode = config.ckpt if config.ckpt in BASELINES else "deterministic" if config.deterministic else "sampled"
    return EvalReport(
        **provenance.metadata(
            settings, env_id=config.env, seeds=seeds, device=_device_used(config), n_envs=n_envs,
            wall_clock_s=round(seconds, 3), steps_per_second=round(sum(e.length for e in episodes) / seconds, 1),
            evaluation_protocol=f"{mode} policy, seeds {format_seeds(seeds)}, success at the last step",
        ),
        policy=Path(config.ckpt).name, checkpoint_sha256=digest, training=facts, deterministic=config.deterministic,
        episodes=episodes, aggregate=aggregate(episodes),
    )  # fmt: skip


def evaluate(config: EvalConfig) -> EvalReport:
    """The report of `config`, written where it says so. Raises `UserError`."""
    import torch

    seeds = chosen_seeds(config)
    if config.n_envs < 1 or config.video_episodes < 1 or not 16 <= config.video_size <= 1024:
        raise UserError("--n-envs and --video-episodes must be at least 1, --video-size between 16 and 1024.")
    video = _video_path(config)
    for path in (config.json_out, video):
        if path:
            check_writable(path)
    torch.set_num_threads(1)
    make_policy, facts, digest = load_anything(config)
    report = report_for(config, make_policy, seeds, facts, digest)
    if config.json_out:
        save(config.json_out, report)
    if video:
        _record(config, make_policy, seeds[: config.video_episodes], video)
    return report


def _video_path(config: EvalConfig) -> str | None:
    """Where the video goes, None where none was asked for. Raises `UserError` on another format than .mp4 and .gif."""
    if not (config.video or config.video_out):
        return None
    path = config.video_out or config.ckpt.removesuffix(".zip") + ".mp4"
    if Path(path).suffix.lower() not in (".mp4", ".gif"):
        raise UserError(f"--video-out {path}: use a name that ends in .mp4 or .gif.")
    return path


def _record(config: EvalConfig, make_policy: Any, seeds: list[int], path: str) -> None:
    from envs.rendering import choose_backend

    backend, reasons = choose_backend()
    if backend is None:
        why = "".join(f"; {name}: {reason}" for name, reason in reasons.items())
        print(f"no video: this machine renders with neither EGL nor OSMesa{why}", file=sys.stderr)
        return
    from envs.video import record, write_video

    n_envs = _side_by_side(config)
    write_video(path, record(make_policy, config.env, seeds, config.video_size, config.deterministic, n_envs))
    print(f"video of {len(seeds)} episodes -> {path}")


def describe(report: EvalReport) -> str:
    """The aggregates as a few lines; no rate without its n and interval."""
    a = report.aggregate

    def line(name: str, s: Summary, unit: str) -> str:
        spread = "" if s.std is None else f" ± {s.std:.3g}"
        return f"  {name:18s} {s.mean:.3g}{spread} {unit}" if s.mean is not None else f"  {name:18s} none"

    return "\n".join([
        f"{report.policy} on {report.env_id}, {report.evaluation_protocol}",
        f"  success            {format_rate(a.success)}",
        f"  not solved at reset {format_rate(a.success_net)}  ({a.solved_at_reset.successes} began solved)",
        line("final distance", a.final_distance, "m"),
        line("time to success", a.time_to_success, f"steps, over {a.time_to_success.n} episodes"),
        line("return", a.return_, ""),
        line("smoothness", a.smoothness, "(sum of squared action changes)"),
    ])  # fmt: skip


def _evaluate_and_tell(config: EvalConfig) -> int:
    report = evaluate(config)
    print(describe(report))
    if config.json_out:
        print(f"report -> {config.json_out}")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, or 2 on a mistake."""
    return guarded(lambda: _evaluate_and_tell(parse(EvalConfig, argv, prog="eval.py")))


if __name__ == "__main__":
    sys.exit(main())
