"""What is another robot? Each factor of domain randomisation written into a MuJoCo model by hand, and checked.

    python scripts/labs/domain_randomization.py --verify        # every claim, about 10 seconds
    python scripts/labs/domain_randomization.py --demo          # eight robots and what one command does to each

Exit status 1 if a claim is wrong. For reading beside chapter 10; nothing imports it. The product's wrapper is
`wrappers/randomization.py`; here the same is done without it, a factor at a time. Positions are in m, masses in kg.
Source: Peng et al. 2018, "Sim-to-real transfer of robotic control with dynamics randomization" (arXiv:1710.06537).
"""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np

from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError
from envs.make import make_env

PUSH = "FetchPush-v4"
# Ratios to nominal, drawn log-uniformly; the delay, in steps of 40 ms, is drawn from 0 to its end.
RANGES = {"mass": (0.5, 2.0), "friction": (0.5, 2.0), "lag": (0.5, 2.0)}
LONGEST_DELAY = 2
Claim = tuple[str, float, float, float]


# --8<-- [start:draw_robot]
def draw_robot(rng: np.random.Generator) -> dict[str, float]:
    """One robot: every factor from its range, independently of the others."""
    robot = {}
    for name, (low, high) in RANGES.items():
        # ln x uniform in [ln a, ln b]: half and twice as much are equally likely
        robot[name] = math.exp(rng.uniform(math.log(low), math.log(high)))
    robot["delay"] = int(rng.integers(0, LONGEST_DELAY + 1))
    return robot
    # --8<-- [end:draw_robot]


# --8<-- [start:set_mass]
def set_mass(model: mujoco.MjModel, nominal: dict[str, np.ndarray], ratio: float) -> None:
    """Give the object `ratio` times its nominal mass, and the inertia that goes with it."""
    body = model.body("object0").id
    # From the nominal value, never from the present one: factors of many episodes would multiply up.
    model.body_mass[body] = ratio * nominal["body_mass"][body]
    # I ∝ m for the same shape
    model.body_inertia[body] = ratio * nominal["body_inertia"][body]
    # What MuJoCo computed from masses when it loaded the model, it computes again.
    mujoco.mj_setConst(model, mujoco.MjData(model))
    # --8<-- [end:set_mass]


# --8<-- [start:set_friction]
def set_friction(model: mujoco.MjModel, nominal: dict[str, np.ndarray], ratio: float) -> None:
    """Give object, table and fingers `ratio` times their sliding friction."""
    touching = [model.body("object0").geomadr[0], model.body("table0").geomadr[0]]
    touching += [model.geom(f"robot0:{side}_gripper_finger_link").id for side in "lr"]
    # μ = max(μ₁, μ₂) in a contact of equal priority: a slippery object on a rough table is not slippery
    model.geom_friction[touching, 0] = ratio * nominal["geom_friction"][touching, 0]
    # --8<-- [end:set_friction]


# --8<-- [start:set_lag]
def set_lag(model: mujoco.MjModel, nominal: dict[str, np.ndarray], ratio: float) -> None:
    """Let the gripper follow its target with `ratio` times the nominal time constant of 20 ms."""
    # The gripper hangs on a mocap body by a weld, which MuJoCo treats as a spring and a damper:
    # k = 1 / (τ ζ)², so half the time constant τ is four times the stiffness
    weld = int(np.flatnonzero(model.eq_type == mujoco.mjtEq.mjEQ_WELD)[0])
    model.eq_solref[weld, 0] = ratio * nominal["eq_solref"][weld, 0]
    # --8<-- [end:set_lag]


class RandomizedPush(gym.Wrapper):
    """Push on another robot in each episode, which the episode's seed decides."""

    def __init__(self, env: gym.Env):
        super().__init__(env)
        self.model = env.unwrapped.model
        names = ("body_mass", "body_inertia", "geom_friction", "eq_solref")
        self.nominal = {name: getattr(self.model, name).copy() for name in names}
        self.robot: dict[str, float] = {}

    # --8<-- [start:randomized_env]
    def reset(self, *, seed: int | None = None, **options: Any) -> tuple[Any, dict[str, Any]]:
        """Draw a robot, write it into the model, and begin."""
        # Not the environment's own stream: that one draws the goal, and would draw another one after four numbers.
        self.robot = draw_robot(np.random.default_rng([seed, 1] if seed is not None else None))
        for name, write in (("mass", set_mass), ("friction", set_friction), ("lag", set_lag)):
            write(self.model, self.nominal, self.robot[name])
        # u_t = a_{t−k}, and nothing before the first action arrives
        self.underway = deque([np.zeros(4, np.float32)] * self.robot["delay"])
        return self.env.reset(seed=seed, **options)

    def step(self, action: np.ndarray) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step with the action of `delay` steps ago."""
        self.underway.append(action)
        return self.env.step(self.underway.popleft())
        # --8<-- [end:randomized_env]


def fresh() -> tuple[gym.Env, mujoco.MjModel, dict[str, np.ndarray]]:
    """Push, its own model, and the nominal values of everything that is changed here."""
    env = RandomizedPush(make_env(PUSH))
    return env.env, env.model, env.nominal


def acceleration(model: mujoco.MjModel, force: float, torque: float) -> tuple[float, float]:
    """Of the object in the air, (m/s², rad/s²): pushed by `force` (N) along x and turned by `torque` (N m) about z."""
    data = mujoco.MjData(model)
    start, dof = model.joint("object0:joint").qposadr[0], model.joint("object0:joint").dofadr[0]
    data.qpos[start : start + 7] = [0.0, 3.0, 2.0, 1.0, 0.0, 0.0, 0.0]
    data.xfrc_applied[model.body("object0").id] = [force, 0, 0, 0, 0, torque]
    mujoco.mj_forward(model, data)
    return float(data.qacc[dof]), float(data.qacc[dof + 5])


def slide(model: mujoco.MjModel, speed: float = 0.6) -> float:
    """How far (m) the object slides on the table, pushed off with `speed` (m/s): v² / 2 μ g by Coulomb's law."""
    data = mujoco.MjData(model)
    start, dof = model.joint("object0:joint").qposadr[0], model.joint("object0:joint").dofadr[0]
    data.qpos[start : start + 7] = [1.15, 0.75, 0.425, 1.0, 0.0, 0.0, 0.0]
    for _ in range(50):
        mujoco.mj_step(model, data)
    data.qvel[dof : dof + 6] = [0, speed, 0, 0, 0, 0]
    before = data.qpos[start + 1]
    for _ in range(400):
        mujoco.mj_step(model, data)
    return float(data.qpos[start + 1] - before)


def way(env: gym.Env, steps: int = 4, seed: int = 0) -> list[float]:
    """(steps,): how far (m) the gripper has gone to the left after each step of a full command to the left."""
    start = env.reset(seed=seed)[0]["observation"][1]
    command = np.array([0, 1, 0, 0], np.float32)
    return [float(env.step(command)[0]["observation"][1] - start) for _ in range(steps)]


def check() -> list[Claim]:
    """Claims: what, its value, the least and the most that bear it out."""
    rng = np.random.default_rng(0)
    robots = [draw_robot(rng) for _ in range(4000)]
    mass = np.array([robot["mass"] for robot in robots])
    env, model, nominal = fresh()
    kilograms = float(nominal["body_mass"][model.body("object0").id])
    plain_way, plain_slide = way(env), slide(model)
    linear, angular = acceleration(model, 3.0, 0.01)

    set_mass(model, nominal, 2.0)
    heavy_linear, heavy_angular = acceleration(model, 3.0, 0.01)
    heavy_way, heavy_slide = way(env), slide(model)
    for _ in range(5):
        set_mass(model, nominal, 2.0)
    again = float(model.body_mass[model.body("object0").id])

    set_mass(model, nominal, 1.0)
    set_friction(model, nominal, 0.5)
    slippery = slide(model)
    model.geom_friction[model.body("table0").geomadr[0], 0] = 1.0
    rough_table = slide(model)
    set_friction(model, nominal, 1.0)

    set_lag(model, nominal, 2.0)
    slow_way = way(env)
    set_lag(model, nominal, 0.5)
    quick_way = way(env)

    many = RandomizedPush(make_env(PUSH))
    late_seed = next(seed for seed in range(100) if draw_robot(np.random.default_rng([seed, 1]))["delay"] == 2)
    late = way(many, seed=late_seed)
    first = way(many, seed=7), dict(many.robot)
    way(many, seed=8)
    other = dict(many.robot)
    second = way(many, seed=7), dict(many.robot)
    goals = [np.array(e.reset(seed=7)[0]["desired_goal"]) for e in (many, make_env(PUSH))]
    return [
        ("share of masses below nominal (half to twice, log-uniform)", float(np.mean(mass < 1)), 0.47, 0.53),
        ("lightest and heaviest in the range, share", float(np.mean((mass >= 0.5) & (mass <= 2))), 1, 1),
        ("acceleration of the object times its mass over the force", linear * kilograms / 3.0, 0.999, 1.001),
        ("the same with twice the mass, of what it was", heavy_linear / linear, 0.499, 0.501),
        ("angular acceleration with twice the mass, of what it was", heavy_angular / angular, 0.499, 0.501),
        ("mass after setting twice the mass six times, of nominal", again / kilograms, 2, 2),
        ("arm's way with twice the object's mass minus before, m", abs(heavy_way[-1] - plain_way[-1]), 0, 1e-9),
        ("slide with twice the mass, of what it was", heavy_slide / plain_slide, 0.95, 1.05),
        ("slide with half the friction everywhere, of what it was", slippery / plain_slide, 1.7, 2.3),
        ("slide with half the friction, but not of the table", rough_table / plain_slide, 0.95, 1.05),
        ("arm's way with twice the lag, of what it was", slow_way[-1] / plain_way[-1], 0.3, 0.8),
        ("arm's way with half the lag, of what it was", quick_way[-1] / plain_way[-1], 1.1, 2.5),
        ("way of a robot with a delay of two after two steps, mm", 1000 * abs(late[1]), 0, 3),
        ("and after four, mm", 1000 * late[3], 15, 150),
        ("difference of two episodes of one seed", float(first != second), 0, 0),
        ("two seeds have two robots", float(first[1] != other), 1, 1),
        ("distance of the goal from the plain task's, m", float(np.linalg.norm(goals[0] - goals[1])), 0, 0),
    ]  # fmt: skip


def show(robots: int) -> list[dict[str, Any]]:
    """The first robots, and how far the gripper of each has gone after four steps of a full command."""
    env, rows = RandomizedPush(make_env(PUSH)), []
    print("  seed   mass  friction  lag   delay   gripper after 1, 2, 3, 4 steps (mm)")
    for seed in range(robots):
        went = way(env, seed=seed)
        robot = env.robot
        numbers = "  ".join(f"{1000 * value:5.1f}" for value in went)
        physical = f"{robot['mass']:5.2f}  {robot['friction']:8.2f}  {robot['lag']:4.2f}"
        print(f"  {seed:4d}  {physical}  {robot['delay']:5d}   {numbers}")
        rows.append({"seed": seed, **robot, "way_m": went})
    return rows


def main(verify: bool = False, demo: bool = False, robots: int = 8, json_out: str | None = None) -> int:
    """Check every claim (--verify), or show some robots (--demo)."""
    if robots < 1:
        raise UserError(f"--robots {robots}: must be at least 1.")
    began, claims = time.monotonic(), check() if verify or not demo else []
    printed = [
        f"{'ok   ' if low <= value <= high else 'WRONG'} {text:62s} {value:8.4g}   [{low:g}, {high:g}]"
        for text, value, low, high in claims
    ]
    print(*printed, sep="\n", end="\n" if printed else "")
    data: dict[str, Any] = {"claims": [float(value) for _, value, *_ in claims], "printed": printed}
    if demo:
        data["robots"] = show(robots)
    if json_out:
        known = provenance.metadata({"robots": robots}, wall_clock_s=round(time.monotonic() - began, 3))
        save(json_out, DataReport(name="domain_randomization", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="domain_randomization.py")))
