"""Chapter 01: what does the agent see? Spaces and indices, reward semantics, and what chance alone scores.

python scripts/ch01_env_anatomy.py all        # everything below and the lab, reports in results/ch01_*.json
python scripts/ch01_env_anatomy.py describe --json-out results/ch01_env_describe.json
python scripts/ch01_env_anatomy.py reward-check --n-steps 500
python scripts/ch01_env_anatomy.py random-episodes --n-episodes 10 --json-out results/ch01_random_metrics.json
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, Literal

from analysis.reports import DataReport, save
from common.cli import subcommands
from common.provenance import metadata


def place(json_out: str | None, smoke: bool) -> str | None:
    """Where a report goes: in smoke mode under a temporary folder, so that no real one is replaced."""
    return str(Path(tempfile.mkdtemp(prefix="ch01-")) / Path(json_out).name) if json_out and smoke else json_out


def write(
    path: str | None, name: str, config: dict[str, Any], data: dict[str, Any], began: float, **known: Any
) -> None:
    """A report of kind `data`, where a path is given."""
    if path:
        seconds = round(time.monotonic() - began, 3)
        save(path, DataReport(**metadata(config, wall_clock_s=seconds, **known), name=name, data=data))
        print(f"report -> {path}")


def list_envs(smoke: bool = False) -> int:
    """The eight Fetch tasks: size of the observation, what the goal is about, reward, time limit."""
    from envs.anatomy import describe_env, fetch_ids

    for env_id in fetch_ids("all")[: 2 if smoke else None]:
        task = describe_env(env_id)
        what = f"{len(task['entries'])} numbers, goal for the {task['goal']:6s}"
        print(f"{env_id:26s} {what}, {task['reward']:6s} reward, {task['max_episode_steps']} steps")
    return 0


def describe(env: str = "all", json_out: str | None = None, smoke: bool = False) -> int:
    """Spaces, names of all entries and constants of the tasks.

    Args:
        env: Environment id, or `all`.
        json_out: Report to write.
        smoke: The first task only, the report under a temporary folder.
    """
    from envs.anatomy import describe_env, fetch_ids, in_words

    path, began = place(json_out, smoke), time.monotonic()
    data = {env_id: describe_env(env_id) for env_id in fetch_ids(env)[: 1 if smoke else None]}
    for env_id, task in data.items():
        print(in_words(env_id, task, entries=env != "all"))
    write(path, "env_describe", {"env": env}, data, began, seeds=[0])
    return 0


def reward_check(env: str = "all", n_steps: int = 500, json_out: str | None = None, smoke: bool = False) -> int:
    """Compare the rewards of random steps with `compute_reward`; exit status 1 if any differs.

    Args:
        env: Environment id, or `all`.
        n_steps: Steps of each task.
        json_out: Report to write.
        smoke: 20 steps of each task, the report under a temporary folder.
    """
    from envs.anatomy import compare_rewards, fetch_ids
    from envs.make import make_env

    path, began, data, n_steps = place(json_out, smoke), time.monotonic(), {}, 20 if smoke else n_steps
    for env_id in fetch_ids(env):
        data[env_id] = compare_rewards(make_env(env_id), n_steps, seed=0)
        named = ", ".join(f"{name} {count}" for name, count in data[env_id].items())
        print(f"{env_id:26s} {n_steps} steps, differences: {named}", flush=True)
    wrong = sum(sum(counts.values()) for counts in data.values())
    print(f"{wrong} differences" if wrong else "compute_reward agrees with every step")
    result = {"tasks": data, "steps": n_steps * len(data), "differences": wrong}
    write(path, "reward_check", {"env": env, "n_steps": n_steps}, result, began, seeds=[0])
    return 1 if wrong else 0


def random_episodes(
    env: str = "FetchReach-v4", policy: Literal["random", "zero"] = "random", n_episodes: int = 10, seed: int = 0,
    json_out: str | None = None, smoke: bool = False,
) -> int:  # fmt: skip
    """Evaluate random actions, or none at all, exactly as `eval.py` evaluates a checkpoint.

    Args:
        env: Environment id.
        policy: `random`, or `zero`: does nothing.
        n_episodes: How many.
        seed: Of the first one; the others count on from it.
        json_out: Report to write.
        smoke: Two episodes, the report under a temporary folder.
    """
    import eval as contract

    path, episodes = place(json_out, smoke), 2 if smoke else n_episodes
    config = contract.EvalConfig(ckpt=policy, env=env, n_episodes=episodes, seed=seed, json_out=path)
    print(contract.describe(contract.evaluate(config)) + (f"\nreport -> {path}" if path else ""))
    return 0


def lab(json_out: str, smoke: bool = False) -> int:
    """The lab's `--verify`, in a process of its own."""
    program = Path(__file__).parent / "labs" / "env_anatomy.py"
    return subprocess.run([sys.executable, program, "--verify", "--json-out", place(json_out, smoke)]).returncode


def run_all(smoke: bool = False) -> int:
    """Everything, stopping at the first failure; reports in results/, or under temporary folders with --smoke."""
    began, seconds = time.monotonic(), {}
    push = partial(random_episodes, "FetchPush-v4", n_episodes=100)
    steps = {
        "list-envs": list_envs,
        "describe": partial(describe, json_out="results/ch01_env_describe.json"),
        "reward-check": partial(reward_check, json_out="results/ch01_reward_check.json"),
        "random-episodes": partial(random_episodes, json_out="results/ch01_random_metrics.json"),
        "random-episodes on Push": partial(push, policy="random", json_out="results/ch01_random_push.json"),
        "doing nothing on Push": partial(push, policy="zero", json_out="results/ch01_zero_push.json"),
        "lab": partial(lab, json_out="results/ch01_anatomy.json"),
    }
    for name, step in steps.items():
        print(f"\n== {name}", flush=True)
        start = time.monotonic()
        if status := step(smoke=smoke):
            print(f"{name} failed; nothing after it was run", file=sys.stderr)
            return status
        seconds[name] = round(time.monotonic() - start, 3)
    print()
    write(place("results/ch01_all.json", smoke), "ch01_all", {}, {"seconds": seconds}, began)
    print("next: train your first policy, python train.py --algo sac --her --env FetchReach-v4 --out checkpoints/first")
    return 0


if __name__ == "__main__":
    commands = {"list-envs": list_envs, "describe": describe, "reward-check": reward_check}
    commands |= {"random-episodes": random_episodes, "all": run_all}
    sys.exit(subcommands(commands, prog="ch01_env_anatomy.py", description="Chapter 01: what does the agent see?"))
