"""What to practise first, and how not to fool yourself: a curriculum and its bookkeeping, one idea at a time.

    python scripts/labs/curriculum.py --verify   # every claim, about 10 seconds
    python scripts/labs/curriculum.py --demo     # real PickAndPlace: how often chance touches and raises the block

Exit status 1 if a claim is wrong. For reading beside chapter 05; nothing imports it. Positions are in m, world frame.
Sources: Bengio et al. 2009, "Curriculum Learning"; Ng, Harada and Russell 1999, "Policy invariance under reward
transformations"; Wilson 1927 for the interval.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.compare import format_rate
from analysis.grasping import stages_of
from analysis.metrics import Trace, rate
from analysis.reports import DataReport, save
from analysis.stats import wilson as project_wilson
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError
from envs.distributions import Distribution
from envs.make import make_env
from envs.rollout import run_episode

ENV, GAMMA, THRESHOLD = "FetchPickAndPlace-v4", 0.95, 0.05  # the last: m
Claim = tuple[str, float, float, float]


@dataclass(frozen=True)
class Box:
    """Where a task is drawn from; the defaults are PickAndPlace's own."""

    goal_range: float = 0.15
    object_range: float = 0.15
    air_fraction: float = 0.5
    goal_height: float = 0.45


# --8<-- [start:draw_task]
def draw_task(box: Box, grip: np.ndarray, table: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An object (2,) on the table and a goal (3,) for it; `grip` (3,) is where the gripper starts, `table` a height."""
    place = grip[:2]
    while np.linalg.norm(place - grip[:2]) < 0.1:
        # o = p + u, u uniform in a square, until |u| is at least 10 cm: never right under the gripper
        place = grip[:2] + rng.uniform(-box.object_range, box.object_range, size=2)
    # g = p + u, projected to the table, and lifted with probability q by h uniform in [0, H]
    goal = grip + rng.uniform(-box.goal_range, box.goal_range, size=3)
    goal[2] = table
    if rng.uniform() < box.air_fraction:
        goal[2] += rng.uniform(0, box.goal_height)
    return place, goal
    # --8<-- [end:draw_task]


# --8<-- [start:widen]
class Ladder:
    """From `easy` to `full` in `stages` rungs: one up when the newest `window` episodes succeed often enough."""

    def __init__(self, easy: Box, full: Box, stages: int = 5, threshold: float = 0.3, window: int = 80):
        self.easy, self.full, self.stages, self.threshold, self.window = easy, full, stages, threshold, window
        self.stage, self.recent = 0, []

    def box(self) -> Box:
        """What is drawn from now: d = (1 − λ) d₀ + λ d₁ with λ = stage / stages, each field by itself."""
        level = self.stage / self.stages
        ends = zip(vars(self.easy).values(), vars(self.full).values(), strict=True)
        return Box(*[(1 - level) * first + level * last for first, last in ends])

    def episode(self, success: bool) -> None:
        """Count an episode; widen if (1 / n) Σ success ≥ threshold, and count afresh: old episodes were easier."""
        self.recent = [*self.recent, success][-self.window :]
        full = len(self.recent) == self.window
        if full and np.mean(self.recent) >= self.threshold and self.stage < self.stages:
            self.stage, self.recent = self.stage + 1, []

    # --8<-- [end:widen]


# --8<-- [start:bursts]
def random_actions(steps: int, hold: float, rng: np.random.Generator) -> np.ndarray:
    """Random actions (steps, 4) in [−1, 1], each kept for `hold` steps on average; hold = 1 draws each by itself."""
    actions = rng.uniform(-1, 1, (steps, 4))
    for t in range(1, steps):
        # a_t = a_(t−1) with probability 1 − 1/L, else a new one
        if rng.uniform() < 1 - 1 / hold:
            actions[t] = actions[t - 1]
    return actions


def stays_closed(steps: int, hold: float) -> float:
    """Probability that a closing command is followed by `steps` − 1 more: it is redrawn, and half of that opens."""
    # P = (1 − 1/(2L))^(k − 1)
    return (1 - 1 / (2 * hold)) ** (steps - 1)
    # --8<-- [end:bursts]


# --8<-- [start:shift]
def optimal_values(
    P: np.ndarray, R: np.ndarray, ends: np.ndarray, clip: tuple[float, float] | None = None
) -> np.ndarray:
    """Q* (S, A) by iterating the Bellman equation; P (S, A, S), R (S, A), `ends` (S, A) says where the episode ends."""
    Q = np.zeros_like(R)
    for _ in range(2000):
        # Q(s, a) ← R(s, a) + γ (1 − end) Σ_s' P(s' | s, a) max_a' Q(s', a')
        Q = R + GAMMA * (1 - ends) * (P @ Q.max(axis=1))
        if clip is not None:
            Q = Q.clip(*clip)
    return Q
    # --8<-- [end:shift]


# --8<-- [start:kind]
def kind_of_failure(places: np.ndarray, grips: np.ndarray, goal: np.ndarray) -> str | None:
    """Why an episode failed, from the ways (T + 1, 3) of the object and of the gripper; None where it did not."""
    rise = places[:, 2] - places[0, 2]
    far = np.linalg.norm(places - goal, axis=1)
    held = np.linalg.norm(places[-1] - grips[-1]) < 0.04
    if far[-1] < THRESHOLD:
        return None
    if np.linalg.norm(places - places[0], axis=1).max() < 0.02:
        return "never touched"
    if rise.max() > 0.02:  # it was lifted: what became of it?
        if held:
            return "out of reach"
        if rise[-1] < 0.02:
            return "dropped"
    elif goal[2] - places[0, 2] > 0.02:
        return "missed grasp"
    return "overshoot" if far.min() < THRESHOLD else "short"
    # --8<-- [end:kind]


# --8<-- [start:strata]
def wilson(successes: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The rates p that n episodes do not contradict: |p̂ − p| ≤ z √(p (1 − p) / n), solved for p."""
    p, z2 = successes / n, z * z
    middle = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = z * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return middle - half, middle + half


def mixed(air: float, table: float, share: float) -> float:
    """Success over all goals where a share of them is in the air: p = q p_air + (1 − q) p_table."""
    return share * air + (1 - share) * table
    # --8<-- [end:strata]


def real_tasks(box: Box, seeds: int = 20) -> float:
    """Largest difference (m) between `draw_task` and what the project's environment draws with the same seeds."""
    env, worst = make_env(ENV), 0.0
    env.unwrapped.set_distribution(Distribution(box.goal_range, box.object_range, box.air_fraction, box.goal_height))
    grip, table = env.unwrapped.initial_gripper_xpos, env.unwrapped.height_offset
    for seed in range(seeds):
        seen, _ = env.reset(seed=seed)
        place, goal = draw_task(box, grip, table, np.random.default_rng(seed))
        worst = max(worst, *np.abs(seen["achieved_goal"][:2] - place), *np.abs(seen["desired_goal"] - goal))
    return float(worst)


class Held:
    """A policy of random actions that last, for `run_episode`."""

    def __init__(self, hold: float):
        self.hold, self.actions = hold, iter(())

    def seed(self, seed: int) -> None:
        """Begin an episode. A stream of its own: the environment's would draw its goals."""
        self.actions = iter(random_actions(50, self.hold, np.random.default_rng([seed, 1])).astype(np.float32))

    def predict(self, observation: Any, deterministic: bool = True) -> tuple[np.ndarray, None]:
        """The next action; the observation is not looked at."""
        return next(self.actions), None


class FindsTheBlock(Held):
    """Goes to the block with open fingers and stays, as a policy that has learned to find it; 3 in 10 actions random.

    It never closes its fingers by itself: every grasp is the random actions' work.
    """

    def seed(self, seed: int) -> None:
        """Begin an episode: which steps are random lasts as long as the random actions do."""
        super().seed(seed)
        choice = random_actions(50, self.hold, np.random.default_rng([seed, 2]))[:, 0]
        self.random_now = iter((choice + 1) / 2 < 0.3)

    def predict(self, observation: Any, deterministic: bool = True) -> tuple[np.ndarray, None]:
        """The random action where it is its turn; else towards the block from above."""
        action, _ = super().predict(observation)
        if next(self.random_now):
            return action, None
        seen = observation["observation"]
        way = seen[3:6] - seen[:3]
        if np.linalg.norm(way[:2]) > 0.02:
            way[2] += 0.1
        return np.append(np.clip(10 * way, -1, 1), 1.0).astype(np.float32), None


def traces(hold: float, episodes: int, kind: type[Held] = Held) -> list[Trace]:
    """Real episodes of random actions, alone or mixed into those of a policy that finds the block."""
    env = make_env(ENV)
    return [run_episode(kind(hold), env, seed) for seed in range(episodes)]


def failures_that_differ(episodes: int = 30) -> int:
    """Of how many real episodes the project says another kind than this lab."""
    from analysis import failures

    recorded = traces(5.0, episodes)
    own = [kind_of_failure(t.achieved_goals, t.grip_positions, t.desired_goal) for t in recorded]
    return sum(failures.kind_of_failure(t) != kind for t, kind in zip(recorded, own, strict=True))


def ladder_differs(rng: np.random.Generator) -> int:
    """At how many of 400 episodes the callback that training uses draws from another box than this lab."""
    from callbacks.curriculum import PICK_AND_PLACE, Curriculum

    easy = Box(0.05, 0.11, 0.25, 0.1)
    ladder = Ladder(easy, Box(), stages=4, threshold=0.5, window=10)
    callback = Curriculum(Distribution(*vars(easy).values()), PICK_AND_PLACE, stages=4, threshold=0.5, window=10)
    wrong = 0
    for success in rng.uniform(size=400) < np.linspace(0.2, 0.9, 400):
        ladder.episode(bool(success))
        callback.recent = [*callback.recent, bool(success)][-10:]
        callback.widen()
        wrong += any(not math.isclose(getattr(callback.distribution, k), v) for k, v in vars(ladder.box()).items())
    return wrong + (ladder.stage != 4)


def shifts(rng: np.random.Generator) -> dict[str, float]:
    """What 1 on every reward does to Q* of a random task: without an end, with one, and under bounds that stay."""
    P = rng.dirichlet(np.ones(6), (6, 3))
    R = -(rng.uniform(size=(6, 3)) < 0.8).astype(float)
    never, ends = np.zeros((6, 3)), np.zeros((6, 3))
    ends[:, 0], R[:, 0] = 1.0, 0.0  # action 0 finishes the task: right while every other step costs
    moved = optimal_values(P, R + 1, never) - optimal_values(P, R, never)
    bounds = (-1 / (1 - GAMMA), 0.0)
    return {
        "off": float(np.abs(moved - 1 / (1 - GAMMA)).max()),
        "finish": float(np.mean(optimal_values(P, R, ends).argmax(axis=1) == 0)),
        "finish_moved": float(np.mean(optimal_values(P, R + 1, ends).argmax(axis=1) == 0)),
        "clipped": float(np.ptp(optimal_values(P, R, never, bounds))),
        "clipped_moved": float(np.ptp(optimal_values(P, R + 1, never, bounds))),
    }


def check() -> list[Claim]:
    """Claims: what, its value, the least and the most that bear it out."""
    rng = np.random.default_rng(0)
    commands = np.stack([random_actions(50, 5.0, rng)[:, 3] < 0 for _ in range(4000)])
    closed = commands[commands[:, 0]][:, :10].all(axis=1).mean()
    moved = shifts(rng)
    return [
        ("tasks drawn as the environment draws them, worst difference, m", real_tasks(Box()), 0, 1e-12),
        ("the same from a narrow box", real_tasks(Box(0.05, 0.11, 0.2, 0.1)), 0, 1e-12),
        ("episodes at which the callback of training stands on another rung", ladder_differs(rng), 0, 0),
        ("ten closing commands in a row, actions held 5 steps: formula", stays_closed(10, 5.0), 0.387, 0.388),
        ("the same, counted", closed, 0.36, 0.41),
        ("the same, every action by itself: formula", stays_closed(10, 1.0), 0, 0.002),
        ("Q* after 1 on every reward, distance from Q* + 1 / (1 - gamma)", moved["off"], 0, 1e-6),
        ("states in which finishing is best, rewards of -1 and 0", moved["finish"], 1, 1),
        ("the same after 1 on every reward", moved["finish_moved"], 0, 0),
        ("spread of Q*, targets clipped to [-20, 0]", moved["clipped"], 0.1, 20),
        ("the same after 1 on every reward", moved["clipped_moved"], 0, 0),
        ("real episodes whose kind of failure differs from the project's", failures_that_differ(), 0, 0),
        ("Wilson's interval, away from the project's", math.dist(wilson(493, 500), project_wilson(493, 500)), 0, 1e-4),
        ("success with half of the goals in the air and none of these solved", mixed(0.0, 1.0, 0.5), 0.5, 0.5),
    ]  # fmt: skip


def raised(trace: Trace) -> bool:
    """Whether the block was ever more than the threshold above its start: a goal that no push solves."""
    heights = trace.achieved_goals[:, 2]
    return bool(heights.max() - heights[0] > THRESHOLD)


def explore(episodes: int) -> dict[str, Any]:
    """What random actions do to the block on the real task: alone and mixed in, each by itself and held for 5 steps."""
    rows = []
    for kind, hold in ((Held, 1.0), (Held, 5.0), (FindsTheBlock, 1.0), (FindsTheBlock, 5.0)):
        recorded = traces(hold, episodes, kind)
        found = {"touched": [stages_of(trace)["touch"] for trace in recorded],
                 "raised": [raised(trace) for trace in recorded]}  # fmt: skip
        rows.append({"policy": kind.__name__, "hold": hold} | {name: rate(v).model_dump() for name, v in found.items()})
        share = "3 in 10 actions random, near the block" if kind is FindsTheBlock else "all actions random"
        print(f"{share}, held for {hold:g} step{'s' * (hold > 1)} on average")
        for name, values in found.items():
            print(f"  {name:8s} {format_rate(rate(values))}")
    return {"episodes": episodes, "rows": rows}


def main(verify: bool = False, demo: bool = False, episodes: int = 50, json_out: str | None = None) -> int:
    """Check every claim (--verify), count what random actions do on the real task (--demo)."""
    if episodes < 1:
        raise UserError(f"--episodes {episodes}: must be at least 1.")
    began, claims = time.monotonic(), check() if verify or not demo else []
    printed = [f"{'ok   ' if low <= value <= high else 'WRONG'} {text:68s} {value:8.4g}   [{low:g}, {high:g}]"
               for text, value, low, high in claims]  # fmt: skip
    print("\n".join(printed))
    data: dict[str, Any] = {"claims": [float(value) for _, value, *_ in claims], "printed": printed}
    if demo:
        data |= explore(episodes)
    if json_out:
        known = provenance.metadata({"episodes": episodes}, wall_clock_s=round(time.monotonic() - began, 3))
        save(json_out, DataReport(name="curriculum", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="curriculum.py")))
