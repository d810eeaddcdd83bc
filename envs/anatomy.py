"""What a Fetch task is made of, as data: names of entries, spaces, and whether its rewards can be computed again.

Chapter 01 shows it; `scripts/labs/env_anatomy.py` checks every name against the simulator.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np

from common.errors import UserError, closest
from envs.make import FETCH_IDS, check_env_id, make_env

# Neighbouring entries: (name, names of the entries, unit). A step is one environment step, 40 ms.
_HAND = [("grip_pos", "xyz", "m")]
_OBJECT = [("object_pos", "xyz", "m"), ("object_rel_pos", "xyz", "m")]
_FINGERS = [("gripper_state", "rl", "m")]
_OBJECT_MOTION = [("object_rot", "xyz", "rad"), ("object_velp", "xyz", "m/step"), ("object_velr", "xyz", "rad/step")]
_SPEEDS = [("grip_velp", "xyz", "m/step"), ("gripper_vel", "rl", "m/step")]
ACTION = ("dx", "dy", "dz", "gripper")


def fetch_ids(env: str) -> tuple[str, ...]:
    """The Fetch ids that `env` names: one, or all eight for `all`. Raises `UserError` for anything else."""
    if env == "all":
        return FETCH_IDS
    if env not in FETCH_IDS:
        check_env_id(env)
        raise UserError(f"{env} is no Fetch task.{closest(env, FETCH_IDS)}")
    return (env,)


def observation_entries(env_id: str) -> list[tuple[str, str]]:
    """(name, unit) of each entry of `observation`: 10 on Reach, 25 on the tasks with an object."""
    (env_id,) = fetch_ids(env_id)
    middle = _FINGERS if env_id.startswith("FetchReach") else _OBJECT + _FINGERS + _OBJECT_MOTION
    return [(f"{name}_{entry}", unit) for name, entries, unit in _HAND + middle + _SPEEDS for entry in entries]


def describe_env(env_id: str) -> dict[str, Any]:
    """Spaces, entries and constants of a Fetch task, as JSON values; `first_*` is what `reset(seed=0)` returns."""
    env = make_env(env_id)
    first, _ = env.reset(seed=0)
    task, space = env.unwrapped, env.action_space
    env.close()
    return {
        "spaces": {key: {"shape": list(value.shape), "dtype": str(value.dtype)} for key, value in first.items()},
        "entries": [{"index": i, "name": n, "unit": u} for i, (n, u) in enumerate(observation_entries(env_id))],
        "action": {
            "shape": list(space.shape),
            "dtype": str(space.dtype),
            "low": float(space.low.min()),
            "high": float(space.high.max()),
            "names": list(ACTION),
        },
        "goal": "object" if task.has_object else "gripper",
        "reward": task.reward_type,
        "threshold_m": task.distance_threshold,
        "dt_s": task.dt,
        "max_episode_steps": gym.spec(env_id).max_episode_steps,
        "first_achieved_goal": first["achieved_goal"].tolist(),
        "first_desired_goal": first["desired_goal"].tolist(),
    }


def in_words(env_id: str, task: dict[str, Any], entries: bool) -> str:
    """What `describe_env` found as a few lines, with one more for each entry of the observation where asked for."""
    action = task["action"]
    spaces = task["spaces"] | {f"action in [{action['low']:g}, {action['high']:g}]": action}
    lines = [f"{env_id}: {task['reward']} reward, solved within {task['threshold_m']:g} m, {task['dt_s']:g} s a step"]
    lines += [f"  {name:18s} {tuple(space['shape'])} {space['dtype']}" for name, space in spaces.items()]
    if entries:
        lines += [f"    {entry['index']:2d}  {entry['name']:18s} {entry['unit']}" for entry in task["entries"]]
    return "\n".join(lines)


def compare_rewards(env: gym.Env, n_steps: int, seed: int) -> dict[str, int]:
    """Random steps of a Fetch task, their rewards computed again: how many differ, by the way of computing them.

    `one_by_one` and `as_a_batch` (as hindsight does) are compared with the rewards of the steps, `relabelled` (goals
    shuffled) with each other, `own_goal` (each step's achieved goal as its desired one) with 0, `success` with the
    distance. `terminated` counts terminations, of which there must be none. Raises `UserError` below one step.
    """
    if n_steps < 1:
        raise UserError(f"--n-steps {n_steps}: at least one step is needed.")
    rng, rows, over = np.random.default_rng([seed, 1]), [], True
    for step in range(n_steps):
        if over:
            env.reset(seed=seed + step)
        seen, reward, terminated, truncated, info = env.step(rng.uniform(-1, 1, 4).astype(np.float32))
        rows.append((seen["achieved_goal"], seen["desired_goal"], reward, info["is_success"], terminated))
        over = terminated or truncated
    # (N, 3), (N, 3), (N,), (N,), (N,)
    achieved, desired, rewards, success, ends = (np.array(column) for column in zip(*rows, strict=True))
    again, goals = env.unwrapped.compute_reward, rng.permutation(achieved)
    inside = np.linalg.norm(achieved - desired, axis=-1) < env.unwrapped.distance_threshold
    wrong = {
        "one_by_one": np.array([again(a, d, {}) for a, d in zip(achieved, desired, strict=True)]) != rewards,
        "as_a_batch": again(achieved, desired, {}) != rewards,
        "relabelled": [again(a, g, {}) for a, g in zip(achieved, goals, strict=True)] != again(achieved, goals, {}),
        "own_goal": again(achieved, achieved, {}) != 0,
        "success": inside != success.astype(bool),
        "terminated": ends,
    }
    return {name: int(np.sum(flags)) for name, flags in wrong.items()}
