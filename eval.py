"""Evaluate a checkpoint over seeded episodes, print the rates with their intervals, and write a JSON report.

    python eval.py --ckpt checkpoints/first.zip --env FetchReach-v4 --n-episodes 100 --seeds 0-99 --deterministic
    python eval.py --agent random --env FetchReach-v4
    python eval.py --ckpt checkpoints/first.zip --env FetchReach-v4 --wrap obs_noise:std=0.02

The policy is built from `<ckpt>.meta.json` and given plain weights: nothing found in the checkpoint is executed.
The outcome of an episode depends on its seed and the policy alone, not on how many environments run beside it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from analysis.compare import format_rate
from analysis.metrics import aggregate, episode_metrics
from analysis.reports import EvalReport, Perturbation, Summary, TaskRecord, save
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError, printable
from common.files import check_report_place, check_writable, exists, meta_path
from common.seeds import format_seeds, parse_seeds
from configs.train_config import MOST_ENVS, Repeated

__all__ = ["EvalConfig", "evaluate", "load_subject", "main", "report_for"]
# Controllers that --ckpt takes too.
BASELINES = ("random", "zero")
# Left out of a report's settings where they say nothing.
OPTIONAL = ("agent", "wrap", "env_option", "modules", "trained_wraps", "allow_other_env")


@dataclass(frozen=True)
class EvalConfig:
    """Evaluate a checkpoint or a controller over seeded episodes."""

    env: str
    """Environment id; my_module:MyReach-v0 imports my_module first, which registers it."""
    ckpt: str | None = None
    """Checkpoint (.zip) with its .meta.json beside it; or `random` or `zero`, the policies to beat."""
    agent: str | None = None
    """Controller by name instead of a checkpoint: random, zero, NAME:key=value,… or my_module:NAME."""
    wrap: Repeated = ()
    """Wrapper around the task that the checkpoint was trained in, NAME or NAME:key=value,…; repeat for more."""
    env_option: Repeated = ()
    """Option of the environment, key=value, where it is to differ from training's; repeat for more."""
    trained_wraps: bool = True
    """Wrap as in training; --no-trained-wraps leaves those wrappers out."""
    allow_other_env: bool = False
    """Evaluate a checkpoint on another task than it was trained on, if the spaces are equal."""
    modules: Repeated = ()
    """Module to import first, which registers environments or wrappers that the checkpoint names; repeat for more."""
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
    """Parallel environments; their number changes the time it takes and nothing else."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    """Where the network lives. One observation at a time is faster on the CPU."""
    trust_checkpoint: bool = False
    """Load a foreign Stable-Baselines3 file, which runs code found in it. Only for files you made yourself."""
    overwrite: bool = False
    """Let report and video replace a file of another kind."""


def chosen_seeds(config: EvalConfig) -> list[int]:
    """The seeds that the flags name; 0-99 where they name none. Raises `UserError`."""
    if config.seed is not None and config.seeds is not None:
        raise UserError("give --seeds or --seed, not both.")
    if config.seed is not None:
        return parse_seeds(str(config.seed), config.n_episodes)
    if config.seeds is None:
        return parse_seeds("0", 100 if config.n_episodes is None else config.n_episodes)
    return parse_seeds(config.seeds, config.n_episodes)


def check_checkpoint(config: EvalConfig, video: str | None) -> None:
    """Raise `UserError` on a file that cannot be evaluated, and on an output that would replace it."""
    from agents.archive import read_members, read_meta, zip_path

    path = zip_path(config.ckpt)
    beside = meta_path(path)
    for flag, out in (("--json-out", config.json_out), ("--video-out", video)):
        if out and any(os.path.exists(p) and os.path.exists(out) and os.path.samefile(p, out) for p in (path, beside)):
            raise UserError(f"{flag} {out} would replace the checkpoint that is evaluated; give another name.")
    if config.trust_checkpoint and not exists(beside):
        read_members(path, ["data"])
    else:
        read_meta(path)


def load_subject(config: EvalConfig) -> Any:
    """The policy or controller that `config` names and the task to run it in: a `evaluation.subject.Subject`."""
    from evaluation.subject import Wanted, checkpoint, controller

    if (config.ckpt is None) == (config.agent is None):
        raise UserError("give --ckpt or --agent, one of them.")
    wanted = Wanted(config.env, config.wrap, config.env_option, config.trained_wraps, config.allow_other_env)
    agent = config.ckpt if config.ckpt in BASELINES else config.agent
    if agent is not None:
        if config.allow_other_env or not config.trained_wraps:
            raise UserError("--allow-other-env and --no-trained-wraps are for checkpoints: an agent was not trained.")
        return controller(agent, wanted)
    return checkpoint(config.ckpt, wanted, config.device, config.deterministic, config.trust_checkpoint, config.modules)


def report_for(config: EvalConfig, subject: Any, seeds: list[int]) -> EvalReport:
    """Run all episodes and put them into a report."""
    from envs.rollout import run_episodes

    task, n_envs = subject.task, config.n_envs if subject.parallel else 1
    began = time.monotonic()
    traces = run_episodes(subject.make_policy, task.make, seeds, n_envs, config.deterministic)
    episodes = [episode_metrics(trace) for trace in traces]
    seconds = time.monotonic() - began
    return EvalReport(
        **provenance.metadata(
            _settings(config, seeds), env_id=config.env, seeds=seeds, device=subject.device, n_envs=n_envs,
            wall_clock_s=round(seconds, 3), steps_per_second=round(sum(e.length for e in episodes) / seconds, 1),
            evaluation_protocol=_protocol(config, subject, seeds),
        ),
        policy=subject.name, checkpoint_sha256=subject.checkpoint_sha256, training=subject.training,
        deterministic=config.deterministic, perturbation=subject.perturbation,
        task=TaskRecord(env_id=task.env_id, wrappers=list(task.wrappers), options=list(task.options)),
        episodes=episodes, aggregate=aggregate(episodes),
    )  # fmt: skip


def _settings(config: EvalConfig, seeds: list[int]) -> dict[str, Any]:
    """What decided the report's numbers."""
    values, defaults = asdict(config), EvalConfig(env=config.env)
    values |= {"seeds": format_seeds(seeds), "ckpt": config.ckpt and Path(config.ckpt).name}
    silent = {key for key in OPTIONAL if values[key] == getattr(defaults, key)} | {"json_out", "video_out", "overwrite"}
    return {key: value for key, value in values.items() if key not in silent and (key, value) != ("ckpt", None)}


def _protocol(config: EvalConfig, subject: Any, seeds: list[int]) -> str:
    mode = subject.name if subject.training is None else "deterministic" if config.deterministic else "sampled"
    words = [f"{mode} policy", f"seeds {format_seeds(seeds)}", "success at the last step"]
    if subject.perturbation is not None:
        words.append(f"perturbed: {_differences(subject.perturbation, subject.task.options)}")
    elif subject.task.wrappers or subject.task.options:
        words.append(subject.task.describe())
    return ", ".join(words)


def _differences(perturbation: Perturbation, options: Sequence[str]) -> str:
    """How the evaluated task differs from training's, in words."""
    words = [f"trained on {perturbation.trained_on}"] if perturbation.trained_on else []
    words += [f"{text} added" for text in perturbation.added_wrappers]
    words += [f"{text} left out" for text in perturbation.left_out_wrappers]
    if list(options) != perturbation.trained_options:
        words.append(
            f"options {' '.join(options) or 'none'} instead of {' '.join(perturbation.trained_options) or 'none'}"
        )
    return ", ".join(words)


def evaluate(config: EvalConfig) -> EvalReport:
    """The report of `config`, written where it says so. Raises `UserError`."""
    seeds = chosen_seeds(config)
    if not (1 <= config.n_envs <= MOST_ENVS and config.video_episodes >= 1 and 16 <= config.video_size <= 1024):
        raise UserError(
            f"--n-envs must be between 1 and {MOST_ENVS}, --video-episodes at least 1, "
            "--video-size between 16 and 1024."
        )
    video = _video_path(config)
    if config.ckpt is not None and config.ckpt not in BASELINES:
        check_checkpoint(config, video)
    _check_outputs(config, video)
    # Not earlier: the import takes seconds, and everything above is known without it.
    import torch

    torch.set_num_threads(1)
    subject = load_subject(config)
    report = report_for(config, subject, seeds)
    if config.json_out:
        save(config.json_out, report, config.overwrite)
    if video:
        _record(config, subject, seeds[: config.video_episodes], video)
    return report


def _check_outputs(config: EvalConfig, video: str | None) -> None:
    """Raise `UserError` where report or video cannot be written, or would replace a file of another kind."""
    if config.json_out and not config.overwrite:
        check_report_place(config.json_out, "--json-out", ("evaluation",))
    if video and not config.overwrite and os.path.isfile(video):
        with open(video, "rb") as file:
            start = file.read(12)
        if not (start.startswith(b"GIF8") or start[4:8] == b"ftyp"):
            raise UserError(f"--video-out {video} exists and is no video; give another name or add --overwrite.")
    for path in (config.json_out, video):
        if path:
            check_writable(path)


def _video_path(config: EvalConfig) -> str | None:
    """Where the video goes, None where none was asked for. Raises `UserError` on another format than .mp4 and .gif."""
    if not (config.video or config.video_out):
        return None
    path = config.video_out or (config.ckpt or config.agent or "").removesuffix(".zip").split(":")[0] + ".mp4"
    if Path(path).suffix.lower() not in (".mp4", ".gif"):
        raise UserError(f"--video-out {path}: use a name that ends in .mp4 or .gif.")
    return path


def _record(config: EvalConfig, subject: Any, seeds: list[int], path: str) -> None:
    from envs.rendering import choose_backend

    backend, reasons = choose_backend()
    if backend is None:
        why = "".join(f"; {name}: {reason}" for name, reason in reasons.items())
        print(f"no video: this machine renders with neither EGL nor OSMesa{why}", file=sys.stderr)
        return
    from envs.video import film, in_a_grid, write_video

    n_envs = config.n_envs if subject.parallel else 1
    strips = film(subject.make_policy, subject.task, seeds, config.video_size, config.deterministic, n_envs)
    write_video(path, in_a_grid(strips))
    print(f"video of {len(seeds)} episodes -> {path}")


def describe(report: EvalReport) -> str:
    """The aggregates as a few lines; no rate without its n and interval."""
    a = report.aggregate

    def line(name: str, s: Summary, unit: str) -> str:
        spread = "" if s.std is None else f" ± {s.std:.3g}"
        return f"  {name:18s} {s.mean:.3g}{spread} {unit}" if s.mean is not None else f"  {name:18s} none"

    return "\n".join([
        printable(f"{report.policy} on {report.env_id}, {report.evaluation_protocol}"),
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
