"""What does hindsight do to a recorded episode? Goals drawn, transitions relabelled, a buffer filled, one at a time.

    python scripts/labs/her_relabeler.py --verify                    # every claim, about 10 seconds
    python scripts/labs/her_relabeler.py --demo                      # real Push episodes: what each strategy stores
    python scripts/labs/her_relabeler.py --demo --figure runs/ch04/relabelled_episode.png

Exit status 1 if a claim is wrong. For reading beside chapter 04; nothing imports it. The code says what hindsight is,
one transition at a time; `her_sac_from_scratch.py` does the same for a whole batch at once and learns with it.
Positions are in m, world frame. Source: Andrychowicz et al. 2017, "Hindsight Experience Replay" (arXiv:1707.01495).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from analysis.compare import format_rate
from analysis.metrics import rate
from analysis.reports import DataReport, save
from common import provenance
from common.cli import guarded, parse
from common.errors import UserError, closest
from envs.make import make_env

THRESHOLD, LENGTH = 0.05, 50  # m; steps of an episode
PUSHED = 111  # a seed whose random actions push the block, which few do
STRATEGIES = ("future", "final", "episode")
RewardFunction = Callable[[np.ndarray, np.ndarray], float]
Claim = tuple[str, float, float, float]


@dataclass(frozen=True)
class Transition:
    """One step. `achieved_goal` (3,) is what had been achieved after it, `desired_goal` (3,) what was asked for."""

    observation: np.ndarray
    action: np.ndarray
    next_observation: np.ndarray
    achieved_goal: np.ndarray
    desired_goal: np.ndarray
    reward: float


Episode = list[Transition]


# --8<-- [start:goal_sampling]
def sample_goals(episode: Episode, t: int, k: int, strategy: str, rng: np.random.Generator) -> list[np.ndarray]:
    """k goals that this episode achieved, to stand in for the one that was asked for at step t."""
    last = len(episode) - 1
    if strategy == "future":
        # t' uniform in t, ..., T - 1: what step t or a later one achieved
        steps = rng.integers(t, last + 1, size=k)
    elif strategy == "episode":
        # t' uniform in 0, ..., T - 1: anything the episode achieved, before or after
        steps = rng.integers(0, last + 1, size=k)
    elif strategy == "final":
        # t' = T - 1: where the episode ended, k times the same goal
        steps = np.full(k, last)
    else:
        raise UserError(f"unknown strategy {strategy}.{closest(strategy, STRATEGIES)}")
    return [episode[step].achieved_goal for step in steps]
    # --8<-- [end:goal_sampling]


# --8<-- [start:relabel_transition]
def relabel(transition: Transition, new_goal: np.ndarray, compute_reward: RewardFunction) -> Transition:
    """The same step, had `new_goal` (3,) been asked for: only the goal and the reward change."""
    return replace(
        transition,
        desired_goal=new_goal,
        # r' = R(achieved after the step, g'): the task's own function, asked again
        reward=compute_reward(transition.achieved_goal, new_goal),
    )
    # --8<-- [end:relabel_transition]


# --8<-- [start:her_buffer_insert]
def process_episode_with_her(
    episode: Episode, compute_reward: RewardFunction, rng: np.random.Generator, k: int = 4, strategy: str = "future",
) -> Episode:  # fmt: skip
    """What goes into the buffer: every transition once as it happened and k times with another goal, (k + 1) T rows.

    A uniform draw from them is relabelled with probability k / (k + 1): 0.8 for k = 4.
    """
    stored: Episode = []
    for t, transition in enumerate(episode):
        # The goal that was asked for stays in the buffer: it is the one that will be asked for again.
        stored.append(transition)
        for goal in sample_goals(episode, t, k, strategy, rng):
            stored.append(relabel(transition, goal, compute_reward))
    return stored
    # --8<-- [end:her_buffer_insert]


def reward_function(env_id: str) -> RewardFunction:
    """The task's own reward for one pair of goals: 0 where they are nearer than 5 cm, else -1."""
    env = make_env(env_id)
    return lambda achieved, desired: float(env.unwrapped.compute_reward(achieved, desired, {}))


def record(env_id: str, seed: int, hold: int = 5) -> Episode:
    """An episode of random actions, each held for `hold` steps so that the gripper gets somewhere."""
    # A stream of its own: seeded as the task is, the first numbers would be those that placed block and goal.
    env, rng = make_env(env_id), np.random.default_rng([seed, 1])
    before, _ = env.reset(seed=seed)
    episode, done, action = [], False, np.zeros(4)
    while not done:
        if len(episode) % hold == 0:
            action = rng.uniform(-1, 1, 4)
        after, reward, terminated, truncated, _ = env.step(action.astype(np.float32))
        observations = before["observation"], action, after["observation"]
        episode.append(Transition(*observations, after["achieved_goal"], after["desired_goal"], float(reward)))
        before, done = after, terminated or truncated
    return episode


def moved(episode: Episode) -> float:
    """How far the achieved goal ever got from where the first step left it, m."""
    return max(float(np.linalg.norm(each.achieved_goal - episode[0].achieved_goal)) for each in episode)


def zeros(stored: Episode) -> float:
    """Share of rewards of 0, that is of transitions which reach the goal that stands beside them."""
    return float(np.mean([each.reward == 0 for each in stored]))


def check() -> list[Claim]:
    """Claims: what, its value, the least and the most that bear it out."""
    rng, compute_reward = np.random.default_rng(0), reward_function("FetchReach-v4")
    # An episode whose achieved goals tell at which step they were achieved.
    marked = [Transition(*[np.zeros(1)] * 3, np.full(3, float(t)), np.full(3, -1.0), -1.0) for t in range(LENGTH)]
    drawn = {s: np.array([[g[0] for g in sample_goals(marked, t, 200, s, rng)] for t in range(LENGTH)])
             for s in STRATEGIES}  # fmt: skip
    now = np.arange(LENGTH)[:, None]
    episode = record("FetchReach-v4", 0)
    stored = process_episode_with_her(episode, compute_reward, rng)
    own = [relabel(each, each.achieved_goal, compute_reward) for each in episode]
    kept = [all(getattr(a, name) is getattr(b, name) for name in ("observation", "action", "next_observation"))
            for a, b in zip(episode, stored[::5], strict=True)]  # fmt: skip
    as_asked = [np.array_equal(each.desired_goal, episode[0].desired_goal) for each in stored]
    denied = [each.reward != -float(np.linalg.norm(each.achieved_goal - each.desired_goal) > THRESHOLD)
              for each in stored]  # fmt: skip
    return [
        ("rows stored of 50 steps with k = 4", len(stored), 250, 250),
        ("share of them with another goal than was asked for, k / (k + 1)", 1 - np.mean(as_asked), 0.8, 0.8),
        ("goals that future drew from before the step", np.sum(drawn["future"] < now), 0, 0),
        ("mean distance ahead from step 0, steps", np.mean(drawn["future"][0]), 20, 29),
        ("goals of final that are not the last", np.sum(drawn["final"] != LENGTH - 1), 0, 0),
        ("goals of episode from before the step, share at step 25", np.mean(drawn["episode"][25] < 25), 0.3, 0.7),
        ("own achieved goals that earn a reward of 0, as a share", zeros(own), 1, 1),
        ("rewards that the distance denies", np.sum(denied), 0, 0),
        ("transitions whose observation or action relabelling touched", len(kept) - np.sum(kept), 0, 0),
        ("rewards of 0 in a random Reach episode as recorded, share", zeros(episode), 0, 0.2),
        ("the same after hindsight", zeros(stored), 0.1, 0.9),
    ]  # fmt: skip


def compare_strategies(env_id: str, episodes: int) -> dict[str, Any]:
    """What each strategy and each k store of real random episodes, apart by whether the achieved goal moved 2 cm."""
    recorded, compute_reward = [record(env_id, seed) for seed in range(episodes)], reward_function(env_id)
    by_motion = {True: [], False: []}
    for episode in recorded:
        by_motion[moved(episode) > 0.02].append(episode)
    share = rate([moved(episode) > 0.02 for episode in recorded])
    print(f"{env_id}, random actions: the achieved goal moved 2 cm in {format_rate(share)} episodes")
    print("rewards of 0 in the buffer     all  moved  still")
    rows = []
    for strategy, k in (("future", 0), ("future", 1), ("future", 4), ("future", 8), ("final", 4), ("episode", 4)):
        rng, found = np.random.default_rng(0), {}
        for name, group in (("all", recorded), ("moved", by_motion[True]), ("still", by_motion[False])):
            stored = [row for e in group for row in process_episode_with_her(e, compute_reward, rng, k, strategy)]
            found[name] = zeros(stored) if stored else None
        rows.append({"strategy": strategy, "k": k, "zeros": found})
        cells = [" none" if value is None else f"{100 * value:4.1f}%" for value in found.values()]
        name = f"{strategy}, k = {k}" if k else "as recorded"
        print(f"  {name:26s}", "  ".join(cells))
    return {"env": env_id, "rows": rows, "moved": share.model_dump()}


def draw(path: str) -> None:
    """A relabelled episode of Push as a figure: random actions that happen to push the block for twenty steps."""
    from analysis.hindsight_figures import relabelled_episode_figure
    from analysis.plots import save_figure

    episode, compute_reward = record("FetchPush-v4", PUSHED), reward_function("FetchPush-v4")
    t = next(t for t in range(LENGTH) if moved(episode[: t + 1]) > 0.01)
    goals = [episode[0].desired_goal, *sample_goals(episode, t, 4, "future", np.random.default_rng(0))]
    rewards = [[compute_reward(each.achieved_goal, goal) for each in episode] for goal in goals]
    paths = [np.array([getattr(each, name)[:2] for each in episode]) for name in ("next_observation", "achieved_goal")]
    save_figure(relabelled_episode_figure(PUSHED, t, *paths, np.array(goals)[:, :2], np.array(rewards)), path)
    print(f"figure -> {path}")


def main(
    verify: bool = False, demo: bool = False, env: str = "FetchPush-v4", episodes: int = 100,
    figure: str | None = None, json_out: str | None = None,
) -> int:  # fmt: skip
    """Check every claim (--verify), compare strategies on real episodes (--demo), draw one of them (--figure)."""
    if episodes < 1:
        raise UserError(f"--episodes {episodes}: must be at least 1.")
    began, claims = time.monotonic(), check() if verify or not (demo or figure) else []
    for text, value, low, high in claims:
        print(f"{'ok   ' if low <= value <= high else 'WRONG'} {text:74s} {value:8.4g}   [{low:g}, {high:g}]")
    data = {"claims": [float(value) for _, value, *_ in claims]}
    if demo:
        data |= compare_strategies(env, episodes)
    if figure:
        draw(figure)
    if json_out:
        known = provenance.metadata({"episodes": episodes}, wall_clock_s=round(time.monotonic() - began, 3))
        save(json_out, DataReport(name="her_relabeler", data=data, **known))
    return 0 if all(low <= value <= high for _, value, low, high in claims) else 1


if __name__ == "__main__":
    sys.exit(guarded(lambda: parse(main, None, prog="her_relabeler.py")))
