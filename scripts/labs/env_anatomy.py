"""A Fetch task taken apart: every number that the agent sees and sends, checked in the simulator.

    python scripts/labs/env_anatomy.py --demo                                          # tables to read
    python scripts/labs/env_anatomy.py --verify --part action                          # the claims of one section
    python scripts/labs/env_anatomy.py --verify --json-out runs/ch01/lab.json     # every claim, measured

Exit status 1 if a claim is wrong. Read it beside tutorials/ch01_fetch_env_anatomy.md; nothing imports it. Positions
are in MuJoCo's world frame, in m: x away from the robot, y to its left, z up. A step is one call of `env.step`.
"""

from __future__ import annotations

import copy
import sys
import time
from typing import Any, Literal

import gymnasium as gym
import mujoco
import numpy as np

from analysis.compare import format_rate
from analysis.metrics import rate
from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError
from envs.make import FETCH_IDS, make_env

SPARSE = [env_id for env_id in FETCH_IDS if "Dense" not in env_id]
THRESHOLD = 0.05  # m: nearer than this is solved
UNIT = 5.0  # cm: how far a unit action moves the target of the gripper
SUBSTEPS = 20  # steps of the simulator in one step of the environment
OPENS = +1.0  # sign of the fourth action that opens the gripper
LENGTH = 50  # steps until the time limit
PUSH_SOLVED = [10, 54, 78, 79, 84]  # of evaluation seeds 0 to 99, those whose Push episode begins solved
# Name, what the page says, what was measured, and the least and the most that bear it out.
Claim = tuple[str, str, float, float, float]
Part = Literal["all", "observation", "action", "reward", "reset", "end"]

# Neighbouring entries that belong together: (name, how many, unit, meaning).
GRIP = ("grip_pos", 3, "m", "gripper, world frame")
FINGERS = ("gripper_state", 2, "m", "finger joints, right then left")
GRIP_SPEED = ("grip_velp", 3, "m/step", "velocity of the gripper, world axes, times dt")
FINGER_SPEED = ("gripper_vel", 2, "m/step", "velocity of the finger joints, times dt")

REACH_FIELDS = (GRIP, FINGERS, GRIP_SPEED, FINGER_SPEED)
OBJECT_FIELDS = (
    GRIP,
    ("object_pos", 3, "m", "object, world frame"),
    ("object_rel_pos", 3, "m", "object minus gripper, world axes"),
    FINGERS,
    ("object_rot", 3, "rad", "angles a, b, c of the object: R = Rx(a) Ry(b) Rz(c)"),
    ("object_velp", 3, "m/step", "velocity of the object minus that of the gripper, times dt"),
    ("object_velr", 3, "rad/step", "angular velocity of the object, world axes, times dt"),
    GRIP_SPEED,
    FINGER_SPEED,
)


# --8<-- [start:rebuild_observation]
def rebuild_observation(model: mujoco.MjModel, data: mujoco.MjData, fields: tuple[Any, ...]) -> np.ndarray:
    """`observation`, (10,) or (25,), from the simulator's state and none of the environment's code."""
    dt = SUBSTEPS * model.opt.timestep

    def velocity(site: str) -> tuple[np.ndarray, np.ndarray]:
        """Linear (m/step) and angular (rad/step) velocity of a site, world axes, (3,) each: v = J(q) q̇ dt."""
        linear, angular = np.zeros((3, model.nv)), np.zeros((3, model.nv))
        mujoco.mj_jacSite(model, data, linear, angular, model.site(site).id)
        return linear @ data.qvel * dt, angular @ data.qvel * dt

    gripper, (gripper_velocity, _) = data.site("robot0:grip").xpos, velocity("robot0:grip")
    joints = [data.joint(f"robot0:{side}_gripper_finger_joint") for side in ("r", "l")]
    parts = {"grip_pos": gripper, "gripper_state": [joint.qpos[0] for joint in joints]}
    parts |= {"grip_velp": gripper_velocity, "gripper_vel": [joint.qvel[0] * dt for joint in joints]}
    if fields is OBJECT_FIELDS:
        block, (linear, angular) = data.site("object0").xpos, velocity("object0")
        # R = Rx(a) Ry(b) Rz(c) shows a in its last column, sin b in its upper right corner and c in its first row.
        r = data.site("object0").xmat.reshape(3, 3)
        a, b = -np.arctan2(r[1, 2], r[2, 2]), np.arctan2(r[0, 2], np.hypot(r[1, 2], r[2, 2]))
        parts |= {"object_pos": block, "object_rel_pos": block - gripper}
        parts |= {"object_rot": [a, b, -np.arctan2(r[0, 1], r[0, 0])]}
        parts |= {"object_velp": linear - gripper_velocity, "object_velr": angular}
    return np.concatenate([parts[name] for name, *_ in fields])
    # --8<-- [end:rebuild_observation]


def check_observation(more: dict[str, Any]) -> list[Claim]:
    """Compare every entry with the simulator over random actions, the object tumbling."""
    claims, rng = [], np.random.default_rng(0)
    for env_id in SPARSE:
        env, seen, error, goal, lag = make_env(env_id), [], 0.0, 0.0, 0.0
        u, task = env.unwrapped, env_id.removesuffix("-v4")
        fields = OBJECT_FIELDS if u.has_object else REACH_FIELDS
        for t in range(60):
            if t % 20 == 0:
                start, _ = env.reset(seed=t)
                if u.has_object:
                    # At rest most entries of the object are zero and prove nothing: throw it up, turning.
                    joint = u.data.joint("object0:joint")
                    joint.qpos[2] += 0.3
                    joint.qpos[3:], joint.qvel[:] = rng.normal(size=4), rng.normal(size=6)
            given, *_ = env.step(rng.uniform(-1, 1, 4).astype(np.float32))
            seen.append(given["observation"])
            rebuilt = rebuild_observation(u.model, u.data, fields)
            error = max(error, np.abs(given["observation"] - rebuilt).max())
            achieved = rebuilt[3:6] if u.has_object else rebuilt[:3]
            goals = given["achieved_goal"] - achieved, given["desired_goal"] - start["desired_goal"]
            goal = max(goal, np.abs(goals).max())
            # Where the gripper is by the present joint angles: the environment may have read an older position.
            now = copy.copy(u.data)
            mujoco.mj_kinematics(u.model, now)
            lag = max(lag, 1000 * np.linalg.norm(now.site("robot0:grip").xpos - given["observation"][:3]))
        size, moving = sum(count for _, count, _, _ in fields), (np.ptp(seen, axis=0) > 0).sum()
        all_move, lags = (size - 2, (0, 0)) if u.block_gripper else (size, (0.5, 3))
        claims += [
            (f"{task}_size", f"{task}: entries of observation", len(seen[0]), size, size),
            (f"{task}_error", f"{task}: largest difference from MuJoCo in {len(seen)} states", error, 0, 1e-9),
            (f"{task}_goal", f"{task}: and of achieved_goal; change of desired_goal (m)", goal, 0, 1e-12),
            (f"{task}_moving", f"{task}: entries that ever change", moving, all_move, all_move),
            (f"{task}_lag", f"{task}: positions are old by up to (mm)", lag, *lags),
        ]
    return claims


# --8<-- [start:action_effect]
def play(env: gym.Env, actions: Any, seed: int = 0) -> np.ndarray:
    """`observation` at reset and after each of the actions (T, 4): (T + 1, 10 or 25)."""
    observation, _ = env.reset(seed=seed)
    seen = [observation["observation"]]
    for action in np.asarray(actions, dtype=np.float32):
        observation, *_ = env.step(action)
        seen.append(observation["observation"])
    return np.stack(seen)


def held_then_released(env: gym.Env, size: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Ten steps of one action along y, five of zero: how far the gripper went in each, and its velocity entry (cm)."""
    seen = 100 * play(env, [[0, size, 0, 0]] * 10 + [[0, 0, 0, 0]] * 5)
    return np.diff(seen[:, 1]), seen[1:, 6]  # (15,) each; index 6 is the y velocity on Reach


def opening(env: gym.Env) -> np.ndarray:
    """Between the fingers (cm): ten steps of OPENS, ten of zero, ten of -OPENS."""
    fourth = [OPENS] * 10 + [0.0] * 10 + [-OPENS] * 10
    return 100 * play(env, [[0, 0, 0, a] for a in fourth])[:, 9:11].sum(axis=1)  # (31,)
    # --8<-- [end:action_effect]


def check_action(more: dict[str, Any]) -> list[Claim]:
    """Direction, size, limit and rate of the action, and on which tasks the gripper responds."""
    env = make_env("FetchReach-v4")
    moved, velocity = held_then_released(env)
    half, five = held_then_released(env, 0.5)[0], held_then_released(env, 5.0)[0]
    axes = 100 * np.stack([np.diff(play(env, [row])[:, :3], axis=0)[0] for row in np.eye(4)[:3]])  # (action, xyz)
    drift = 1000 * np.linalg.norm(np.diff(play(env, np.zeros((LENGTH, 4)))[[0, -1], :3], axis=0))
    hertz = LENGTH / (env.unwrapped.data.time - env.unwrapped.initial_time)
    there, flip = np.random.default_rng(0).uniform(-1, 1, (20, 4)), [1, 1, 1, -1]
    listens = [e for e in SPARSE if np.any(play(make_env(e), there) != play(make_env(e), there * flip))]
    fingers = opening(make_env("FetchPickAndPlace-v4"))
    more |= {"moved_cm": moved.tolist(), "velocity_cm": velocity.tolist(), "opening_cm": fingers.tolist()}
    own, held = np.diag(axes), moved[1:10].mean()
    return [
        ("axes", "actions 0, 1, 2 move it along +x, +y, +z: least (cm)", own.min(), 2.9, UNIT),
        ("sideways", "and sideways at most (cm)", np.abs(axes - np.diag(own)).max(), 0, 0.2),
        ("first", f"a unit action asks for {UNIT:.0f} cm; the first step brings (cm)", moved[0], 2.9, 3.2),
        ("held", "held, each step brings (cm)", held, 3.2, 3.4),
        ("velocity", "while the velocity entry says (cm/step)", velocity[1:10].mean(), 2.2, 2.5),
        ("released", "released, the gripper moves on by (cm)", abs(moved[10:].sum()), 0, 0.3),
        ("half", "half the action covers this fraction of the distance", half.sum() / moved.sum(), 0.49, 0.51),
        ("clipped", "an action of 5 differs from one of 1 by (cm)", np.abs(five - moved).max(), 0, 0),
        ("drift", "fifty zero actions move the gripper by (mm)", drift, 5, 9),
        ("rate", "control rate (Hz)", hertz, 25 - 1e-6, 25 + 1e-6),
        ("open", f"fourth action {OPENS:+.0f} opens the gripper to (cm)", fingers[10], 9.5, 10.5),
        ("kept", "zero keeps it at (cm)", fingers[20], 9.5, 10.5),
        ("closed", f"and {-OPENS:+.0f} closes it to (cm)", abs(fingers[30]), 0, 0.1),
        ("listens", "tasks on which the fourth action does anything", len(listens), 1, 1),
    ]


# --8<-- [start:reward_by_hand]
def distance(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """Distance in m between goals, (…, 3) each -> (…)."""
    return np.sqrt(np.sum((achieved - desired) ** 2, axis=-1))


def reward_by_hand(achieved: np.ndarray, desired: np.ndarray, dense: bool) -> np.ndarray:
    """Dense: -d. Sparse: -1 where d > threshold, else 0."""
    d = distance(achieved, desired)
    return -d if dense else np.where(d > THRESHOLD, -1.0, 0.0)


def success_by_hand(achieved: np.ndarray, desired: np.ndarray) -> np.ndarray:
    """d < threshold: strictly, where the sparse reward asks for d > threshold."""
    return distance(achieved, desired) < THRESHOLD
    # --8<-- [end:reward_by_hand]


def check_reward(more: dict[str, Any]) -> list[Claim]:
    """Reward and success of steps, and of invented goals at 0 to 10 cm from what was achieved, against ours."""
    rng, error, wrong, zeros = np.random.default_rng(1), 0.0, 0, []
    for env_id in FETCH_IDS:
        env, dense = make_env(env_id), "Dense" in env_id
        env.reset(seed=0)
        for _ in range(LENGTH):
            given, reward, _, _, info = env.step(rng.uniform(-1, 1, 4).astype(np.float32))
            here, wanted = given["achieved_goal"], given["desired_goal"]
            error = max(error, abs(reward - reward_by_hand(here, wanted, dense)))
            wrong += bool(info["is_success"]) != bool(success_by_hand(here, wanted))
            # Hindsight asks for rewards of goals that the task never set: (20, 3), the achieved one first.
            away = rng.normal(size=(20, 3))
            goals = here + away / np.linalg.norm(away, axis=1, keepdims=True) * np.linspace(0, 0.1, 20)[:, None]
            theirs = env.unwrapped.compute_reward(np.broadcast_to(here, goals.shape), goals, {})
            error = max(error, np.abs(theirs - reward_by_hand(here, goals, dense)).max())
            zeros += [] if dense else [float((theirs == 0).mean())]
    # In float64 the distance between these two is the threshold to the last bit.
    edge, u = (np.zeros(3), np.array([THRESHOLD, 0, 0])), make_env("FetchReach-v4").unwrapped
    return [
        ("reward", "all eight tasks: largest error of the reward by hand", error, 0, 1e-12),
        ("success", "all eight tasks: steps on which success by hand is wrong", wrong, 0, 0),
        ("zeros", "share of the invented goals that give sparse reward 0", np.mean(zeros), 0.4, 0.6),
        ("edge_reward", "exactly on the threshold the sparse reward is", abs(u.compute_reward(*edge, {})), 0, 0),
        ("edge_success", "and success is", float(u._is_success(*edge)), 0, 0),
    ]


# --8<-- [start:solved_at_reset]
def start_distances(env_id: str, resets: int = 1000) -> np.ndarray:
    """Distance (m) from achieved to desired goal after `reset(seed=0)`, `reset(seed=1)`, …: (resets,)."""
    env = make_env(env_id)
    starts = [env.reset(seed=seed)[0] for seed in range(resets)]
    return np.array([distance(start["achieved_goal"], start["desired_goal"]) for start in starts])


def chance_by_geometry(draws: int = 1_000_000) -> float:
    """Push without a simulator: block and goal uniform in a square of 30 cm, the block 10 cm or more off its middle."""
    block, goal = np.random.default_rng(0).uniform(-0.15, 0.15, (2, draws, 2))
    allowed = np.linalg.norm(block, axis=1) >= 0.1
    return float((distance(block, goal)[allowed] < THRESHOLD).mean())
    # --8<-- [end:solved_at_reset]


def check_reset(more: dict[str, Any]) -> list[Claim]:
    """How often each task begins solved, and which of the evaluation seeds do on Push."""
    starts = {env_id: start_distances(env_id) for env_id in SPARSE}
    solved = {env_id: rate([bool(d < THRESHOLD) for d in found]) for env_id, found in starts.items()}
    push, cm = solved["FetchPush-v4"], 100 * starts["FetchPush-v4"]
    seeds = np.flatnonzero(cm[:100] < 100 * THRESHOLD).tolist()
    more |= {env_id: found.model_dump() for env_id, found in solved.items()}
    more |= {"push_start_cm": cm.round(3).tolist(), "push_solved_seeds": seeds}
    return [
        ("solved", "Push episodes solved at reset, share of 1000", push.rate, 0.05, 0.085),
        ("geometry", "by geometry alone, inside that count's interval", chance_by_geometry(), push.low, push.high),
        ("seeds", f"of seeds 0 to 99, how many of {PUSH_SOLVED}", len(seeds), 5, 5 if seeds == PUSH_SOLVED else 0),
    ]


# --8<-- [start:episode_end]
def do_nothing(env: gym.Env, seed: int) -> tuple[int, float, bool, bool]:
    """Zero actions until the episode ends: its length, its return, whether it was terminated, whether truncated."""
    env.reset(seed=seed)
    length, total, terminated, truncated = 0, 0.0, False, False
    while not (terminated or truncated):
        _, reward, terminated, truncated, _ = env.step(np.zeros(4, dtype=np.float32))
        length, total = length + 1, total + float(reward)
    return length, total, terminated, truncated
    # --8<-- [end:episode_end]


def check_end(more: dict[str, Any]) -> list[Claim]:
    """Solved or not, an episode runs to the time limit and is truncated there."""
    ends = [do_nothing(make_env(env_id), seed=0) for env_id in FETCH_IDS]
    at_limit = sum((length, ended, cut) == (LENGTH, False, True) for length, _, ended, cut in ends)
    solved, unsolved = (do_nothing(make_env("FetchPush-v4"), seed)[1] for seed in (PUSH_SOLVED[0], 0))
    return [
        ("truncated", f"of eight tasks, truncated at {LENGTH} steps and never terminated", at_limit, 8, 8),
        ("solved_return", "Push, solved at reset and left alone: return", solved + 0.0, 0, 0),
        ("unsolved_return", "Push, unsolved and left alone: return", unsolved, -LENGTH, -LENGTH),
    ]


def check_everything(part: Part = "all", json_out: str | None = None) -> int:
    """Print every claim with its measurement and its range; exit status 1 if one does not hold."""
    checks = {"observation": check_observation, "action": check_action, "reward": check_reward, "reset": check_reset,
              "end": check_end}  # fmt: skip
    began, values, wrong, more, printed = time.monotonic(), {}, 0, {}, {}
    for chosen, check in checks.items():
        for name, text, value, low, high in check(more) if part in (chosen, "all") else ():
            values[name], holds = float(value), bool(low <= value <= high)
            wrong += not holds
            line = f"{'ok   ' if holds else 'WRONG'} {text:60s} {value:9.5g}   [{low:.5g}, {high:.5g}]"
            printed.setdefault(chosen, []).append(line)
            print(line, flush=True)
    print(f"{len(values) - wrong} of {len(values)} claims hold")
    if json_out:
        known = provenance.metadata({}, wall_clock_s=round(time.monotonic() - began, 3))
        more |= {"values": values, "claims": len(values), "wrong": wrong, "printed": printed}
        save(json_out, DataReport(**known, name="env_anatomy", data=more))
        print(f"report -> {json_out}")
    return 1 if wrong else 0


def show_tables() -> int:
    """Tables for a newcomer: one observation, the answer to actions, rewards by distance, episodes solved at reset."""
    given, _ = make_env("FetchPush-v4").reset(seed=0)
    print("FetchPush-v4 after reset(seed=0)\nindex  name              value  unit      meaning")
    rows = [(name, unit, meaning) for name, count, unit, meaning in OBJECT_FIELDS for _ in range(count)]
    for index, (name, unit, meaning) in enumerate(rows):
        print(f"{index:5d}  {name:14s} {given['observation'][index]:+8.4f}  {unit:8s}  {meaning}")
    print(*(f"{key} {given[key].round(4)}  m, world frame" for key in ("achieved_goal", "desired_goal")), sep="\n")
    moved, velocity = held_then_released(make_env("FetchReach-v4"))
    print("\nFetchReach-v4, ten unit actions along y, five of zero: distance per step, then velocity entry (cm)")
    print(*(f"{cm:6.2f}" for cm in moved), "\n", *(f"{cm:6.2f}" for cm in velocity), sep="")
    print("\nFetchPickAndPlace-v4, fourth action ten times +1, 0, -1: opening of the gripper (cm)")
    print(*(f"{cm:.1f}" for cm in opening(make_env("FetchPickAndPlace-v4"))))
    print("\ndistance   sparse   dense    success")
    for cm in (0.0, 4.9, 5.0, 5.1, 20.0):
        pair = np.zeros(3), np.array([cm / 100, 0, 0])
        sparse, dense = (reward_by_hand(*pair, dense) + 0.0 for dense in (False, True))
        print(f"{cm:5.1f} cm   {sparse:6.0f}   {dense:6.3f}   {success_by_hand(*pair)}")
    print("\nsolved at reset, of 1000")
    for env_id in SPARSE:
        print(f"{env_id:21s} {format_rate(rate([bool(d < THRESHOLD) for d in start_distances(env_id)]))}")
    return 0


def main(verify: bool = False, demo: bool = False, part: Part = "all", json_out: str | None = None) -> int:
    """Print tables (--demo), or check the claims (--verify), all or one --part, and write a report (--json-out)."""
    if verify == demo:
        raise UserError("give --verify or --demo.")
    return check_everything(part, json_out) if verify else show_tables()


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="env_anatomy.py")))
