"""PPO on dense Reach, healthy and broken on purpose, each run watched by `callbacks/early_warning.py`.

    python scripts/break_ppo.py --how wrong_sign                  # one bug, 16,000 steps, 20 seconds
    python scripts/break_ppo.py --how all --seeds 0-2             # the runs behind chapter 02
    python scripts/break_ppo.py --list                            # the bugs

Writes for each run `<folder>/<how>_seed<k>.metrics.jsonl` and `.warnings.json`, and `<folder>/broken.json`: what was
warned of and when, and what the last policy solves of 100 held-out episodes.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from common.cli import guarded, parse
from common.errors import UserError, closest
from common.seeds import parse_seeds

if TYPE_CHECKING:
    from analysis.reports import Rate
    from callbacks.early_warning import EarlyWarning

ENV, FOLDER = "FetchReachDense-v4", "runs/broken_ppo"


@dataclass(frozen=True)
class Bug:
    """What is changed: settings of the recipe, the environment, or attributes of the learner after it was built."""

    about: str
    named: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    wrapper: str | None = None
    learner: Callable[[Any], None] = lambda model: None


def raw_advantages(model: Any) -> None:
    """Advantages go into the loss as they are."""
    model.normalize_advantage = False


def no_noise(model: Any) -> None:
    """The policy begins with a standard deviation of exp(-4), 1% of the range of the actions."""
    model.policy.log_std.data.fill_(-4.0)


BUGS = {
    "healthy": Bug("nothing is broken"),
    "learning_rate_1": Bug("learning rate 1", ("value_explosion", "kl_drift"), {"learning_rate": 1.0}),
    "no_noise": Bug("the policy begins without noise", ("entropy_collapse",), learner=no_noise),
    "wrong_sign": Bug("the reward is +d instead of -d", ("return_without_success",), wrapper="wrong_sign"),
    "observations_x1000": Bug("observations in mm instead of m", ("dead_gradients",), wrapper="observations_x1000"),
    "raw_advantages": Bug("advantages are not normalised", ("advantages_off_centre",), learner=raw_advantages),
    "no_clipping": Bug("the surrogate is not clipped", ("kl_drift",), {"clip_range": 1e9}),
}


def wrapper(name: str | None) -> list[Any]:
    """The environment's part of a bug, as a list of wrappers."""
    import gymnasium as gym

    if name == "wrong_sign":
        return [lambda env: gym.wrappers.TransformReward(env, lambda reward: -reward)]
    if name == "observations_x1000":
        scale = lambda observation: {key: 1000 * value for key, value in observation.items()}  # noqa: E731
        return [lambda env: gym.wrappers.TransformObservation(env, scale, env.observation_space)]
    return []


def settings_of(how: str, seed: int, steps: int) -> dict[str, Any]:
    """The recipe's settings with those of the bug. Raises `UserError` with the nearest name on an unknown bug."""
    from configs.recipes import resolve
    from configs.train_config import TrainConfig

    if how not in BUGS:
        raise UserError(f"--how {how}: no such bug.{closest(how, BUGS)} --list shows all.")
    return resolve(TrainConfig("ppo", ENV, seed=seed, total_steps=steps, **BUGS[how].settings)).settings


def train(how: str, seed: int, steps: int, out: Path | None = None, n: int = 100) -> tuple[EarlyWarning, Rate | None]:
    """Train with the bug `how`: its watcher, and success on `n` held-out episodes (None for n = 0).

    None, too, for a run that ended at a number that is not finite. With `out`, writes the metric log and the warnings.
    """
    import torch
    from stable_baselines3.common.logger import Logger

    from agents.build import build
    from callbacks.early_warning import EarlyWarning
    from envs.vector import make_vec_env
    from persistence.metric_log import MetricLog, open_logger

    settings, bug, began = settings_of(how, seed, steps), BUGS[how], time.monotonic()
    torch.set_num_threads(1)
    env = make_vec_env(ENV, settings["n_envs"], wrappers=wrapper(bug.wrapper))
    model = build(settings, env, "cpu")
    bug.learner(model)
    watch = EarlyWarning(f"{out}.warnings.json" if out else None, quiet=out is None)
    if out:
        log_file = out.with_name(f"{out.name}.metrics.jsonl")
        log_file.unlink(missing_ok=True)
        log = MetricLog(log_file, 0, lambda: time.monotonic() - began, lambda: model._n_updates)
        model.set_logger(open_logger(log, None))
    else:
        model.set_logger(Logger(None, []))
    try:
        model.learn(steps, callback=watch, log_interval=1)
        model.logger.dump(model.num_timesteps)
    except ValueError:
        # PyTorch refuses a normal distribution whose mean is not a number.
        return watch, None
    finally:
        model.logger.close()
        env.close()
    return watch, solved(model, bug, n) if n else None


def solved(model: Any, bug: Bug, n: int) -> Rate:
    """Success at the last step over episodes of seeds 0 to n - 1, with the mean action; the task judges."""
    from analysis.metrics import rate
    from envs.make import make_env
    from envs.rollout import run_episodes

    traces = run_episodes(lambda: model.policy, lambda: make_env(ENV, wrappers=wrapper(bug.wrapper)), range(n))
    return rate([bool(trace.successes[-1]) for trace in traces])


def one(how: str, seed: int, steps: int, out: Path, n: int) -> dict[str, Any]:
    """What a run came to, trained now or read from where an earlier call with the same settings left it."""
    from analysis.reports import DataReport, load, save
    from common import provenance

    config, began = {"how": how, "seed": seed, "steps": steps}, time.monotonic()
    path = out.with_name(f"{out.name}.json")
    if path.exists() and (earlier := load(path, DataReport)).config == config | {"n": n}:
        return earlier.data
    watch, success = train(how, seed, steps, out, n)
    found = [{"rule": f.rule, "steps": f.steps, "value": f.value} for f in watch.found.values()]
    seconds = round(time.monotonic() - began, 3)
    row = config | {"success": success.model_dump() if success else None, "steps": watch.num_timesteps,
                    "warnings": found, "seconds": seconds}  # fmt: skip
    common = provenance.metadata(config | {"n": n}, seeds=[seed], env_id=ENV, wall_clock_s=seconds)
    save(path, DataReport(**common, name="broken_ppo_run", data=row))
    return row


def over_seeds(rows: Sequence[dict[str, Any]], named: Sequence[str] = ()) -> dict[str, Any]:
    """The seeds of one bug: episodes solved by the runs that ended with a policy, and each warning's first steps.

    `named` are the rules that name the bug: of them the one that spoke on most seeds is told apart, with their number.
    """
    from analysis.metrics import rate

    ended = [row["success"] for row in rows if row["success"]]
    flags = [i < success["successes"] for success in ended for i in range(success["n"])]
    steps: dict[str, list[int]] = {}
    for row in rows:
        for warning in row["warnings"]:
            steps.setdefault(warning["rule"], []).append(warning["steps"])
    of = f" of {len(rows)} seeds" if len(rows) > 1 else " seed"
    said = {rule: f"{rule.replace('_', ' ')} ({min(at):,} steps, {len(at)}{of})" for rule, at in steps.items()}
    best = max((rule for rule in named if rule in steps), key=lambda rule: len(steps[rule]), default=None)
    return {
        "success": rate(flags).model_dump(), "seeds_with_policy": len(ended),
        "warned": "; ".join(said.values()) or "none",
        "named": said[best] if best else "none", "seeds_named": len(steps[best]) if best else 0,
    }  # fmt: skip


def main(
    how: str = "all", seeds: str = "0", steps: int = 16_000, folder: str = FOLDER, list: bool = False,
    collect: bool = False, json_out: str | None = None, smoke: bool = False,
) -> int:  # fmt: skip
    """Train PPO with one bug or with each, watched by the early warning.

    Args:
        how: Name of a bug, or all.
        seeds: Of training.
        steps: Environment steps of each run.
        folder: Where the logs go.
        list: Only say which bugs there are.
        collect: Train nothing; put together the runs of this length that are finished in the folder.
        json_out: Report to write; by default broken.json in the folder.
        smoke: Two of them, one rollout and two episodes each, by default in a temporary folder.
    """
    if list:
        print("\n".join(f"{name:20s} {bug.about}" for name, bug in BUGS.items()))
        return 0
    from analysis.compare import format_rate
    from analysis.reports import DataReport, Rate, save
    from common import provenance

    names, numbers, rows = [*BUGS] if how == "all" else [how], parse_seeds(seeds), []
    for name in names:
        settings_of(name, 0, steps)
    if smoke:
        names, numbers, steps = names[:2], numbers[:1], 800
        folder = tempfile.mkdtemp(prefix="broken-ppo-") if folder == FOLDER else folder
    for name in names:
        done = [seed for seed in numbers if Path(folder, f"{name}_seed{seed}.json").exists()]
        for seed in done if collect else numbers:
            rows.append(one(name, seed, steps, Path(folder, f"{name}_seed{seed}"), 2 if smoke else 100))
            words = ", ".join(f"{f['rule']} at {f['steps']:,}" for f in rows[-1]["warnings"]) or "no warning"
            success = rows[-1]["success"]
            ended = format_rate(Rate(**success)) if success else f"ended by a NaN after {rows[-1]['steps']:,} steps"
            print(f"{name:20s} seed {seed}: {ended}; {words}", flush=True)
    own = {name: [row for row in rows if row["how"] == name] for name in names}
    bugs = {name: over_seeds(own[name], BUGS[name].named) for name in names if own[name]}
    data = {"steps": steps, "bugs": bugs, "runs": rows}
    path = Path(json_out or Path(folder, "broken.json"))
    common = provenance.metadata({"how": how, "steps": steps}, seeds=numbers, env_id=ENV, n_envs=8,
                                 wall_clock_s=round(sum(row["seconds"] for row in rows), 3))  # fmt: skip
    save(path, DataReport(**common, name="broken_ppo", data=data))
    print(f"report -> {path}")
    return 0


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="break_ppo.py")))
