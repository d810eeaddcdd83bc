"""Replay of whole episodes: nothing observed is stored twice, hindsight sampled in O(batch), rewards in place.

`sample` costs the same however full the buffer is. It equals Stable-Baselines3's `HerReplayBuffer` in distribution
(tests/agents/test_replay.py), except where `moved_fraction` asks for more of the episodes in which something happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from agents.goal_matching import GoalMatcher
from agents.relabelling import Strategy, goal_steps, look_ahead, transitions_at


class Reflection(Protocol):
    """A symmetry of the task: maps x (B, D) to its mirror image; actions (B, A) are multiplied by `action_sign`."""

    action_sign: np.ndarray

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """x (B, D) in the mirror."""
        ...


RewardFunction = Callable[[np.ndarray, np.ndarray, Any], np.ndarray]


@dataclass
class Batch:
    """Transitions as flat arrays, float32: x and next_x (B, D) with D = 2 G + O, actions (B, A), the rest (B,).

    With targets of n steps, `next_x` is n steps after `x` and `rewards` is the discounted sum over these steps;
    `discounts` is the factor applied to V(next_x): γⁿ, or 0 where the task has terminated.
    """

    x: np.ndarray
    next_x: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    discounts: np.ndarray
    # Whatever else was observed, such as images, by its key: (B, …) in its own type.
    extra: dict[str, np.ndarray] = field(default_factory=dict)
    next_extra: dict[str, np.ndarray] = field(default_factory=dict)


EXTRA = "extra."


def flat_keys(space: gym.spaces.Dict) -> list[str]:
    """The keys whose vectors make up x: the goals where both are shown, and the observation where it is a vector."""
    goals = [key for key in ("achieved_goal", "desired_goal") if key in space.spaces]
    seen = space.spaces.get("observation")
    vector = seen is not None and len(seen.shape) == 1 and seen.dtype.kind == "f"
    return [*(goals if len(goals) == 2 else []), *(["observation"] if vector else [])]


def kept_shapes(extra: dict[str, gym.spaces.Box], stacks: dict[str, int]) -> dict[str, tuple[int, ...]]:
    """What is kept of each of the `extra` boxes at each step: of a stack (n · C, H, W) one frame (C, H, W)."""
    single = {key: (box.shape[0] // stacks[key], *box.shape[1:]) for key, box in extra.items() if key in stacks}
    return {key: single.get(key, box.shape) for key, box in extra.items()}


def extra_boxes(space: gym.spaces.Dict) -> dict[str, gym.spaces.Box]:
    """All other keys."""
    return {key: box for key, box in space.spaces.items() if key not in flat_keys(space)}


class EpisodeReplay:
    """A ring buffer of episodes of up to T steps, for goal-conditioned dictionary observations.

    Goals and vectors are kept as one flat array, everything else (images) in its own type beside it. An episode keeps
    T + 1 observations, since what follows one step comes before the next.

    `capacity` is in transitions. `compute_reward` is the task's own, vectorised. `her_ratio` of each batch is
    relabelled, as with `n_sampled_goal` goals: 1 − 1 / (n + 1); 0 switches hindsight off. `moved_fraction` of each
    batch is drawn from episodes whose achieved goal moved more than `moved_distance` (m), once there are any. With
    `match_desired_goals` they are those among them that came near the task's goals. With a `reflection` of the task,
    half of each batch is seen in the mirror. `n_steps`: over how many steps rewards are added up before `gamma`
    discounts the rest (Sutton & Barto 2018, section 7.1), fewer where the episode ends. `stacks`: which of the other
    keys stack that many frames, the newest last, along their first axis. Of these only the newest frame is kept, and
    `sample` stacks what came before it in its episode again.
    """

    def __init__(
        self, capacity: int, length: int, space: gym.spaces.Dict, action_size: int, n_envs: int,
        compute_reward: RewardFunction, strategy: Strategy = "future", her_ratio: float = 0.8,
        moved_fraction: float = 0.0, moved_distance: float = 0.02, reflection: Reflection | None = None,
        match_desired_goals: bool = False, gamma: float = 0.99, n_steps: int = 1,
        stacks: dict[str, int] | None = None,
    ):  # fmt: skip
        self.length, self.n_envs, self.compute_reward = length, n_envs, compute_reward
        self.row_transitions = length
        self.strategy, self.her_ratio = strategy, her_ratio
        self.moved_fraction, self.moved_distance = moved_fraction, moved_distance
        self.reflection, self.gamma, self.n_steps = reflection, gamma, n_steps
        self.episodes = max(1, capacity // length)
        self.keys, extra = flat_keys(space), extra_boxes(space)
        goal = space["achieved_goal"].shape[0] if "achieved_goal" in self.keys else 0
        self.goal, self.size = goal, sum(space[key].shape[0] for key in self.keys)
        self.matcher, self.match_desired_goals = GoalMatcher(self.episodes, goal), match_desired_goals
        # How many episodes there were when the pool of matched ones was drawn; and the pool of an interrupted run.
        self.matched_at, self.kept_pool = -1, (-1, np.zeros(0, np.int64))
        self.shapes = {
            # Row t holds (achieved goal, desired goal, observation) before step t; row `length` the last one.
            "x": (length + 1, self.size), "actions": (length, action_size), "rewards": (length,),
            "terminated": (length,),
        }  # fmt: skip
        self.stacks = {key: n for key, n in (stacks or {}).items() if n > 1}
        self.shapes |= {f"{EXTRA}{key}": (length + 1, *kept) for key, kept in kept_shapes(extra, self.stacks).items()}
        self.dtypes = {f"{EXTRA}{key}": box.dtype for key, box in extra.items()}
        self.extra = list(extra)
        # Which of them come with a batch.
        self.sampled = self.extra
        self.stored = self._storage(self.episodes)
        self.open = EpisodeReplay._storage(self, n_envs)
        self.lengths = np.zeros(self.episodes, np.int64)
        self.moved = np.zeros(self.episodes, bool)
        self.open_steps = np.zeros(n_envs, np.int64)
        self.added = 0
        self._index()

    def _storage(self, n: int) -> dict[str, Any]:
        return {key: np.zeros((n, *shape), self.dtypes.get(key, np.float32)) for key, shape in self.shapes.items()}

    def _write(self, slot: int, episode: dict[str, np.ndarray]) -> None:
        for key, value in episode.items():
            self.stored[key][slot] = value

    def _read(self, slots: np.ndarray) -> dict[str, np.ndarray]:
        return {key: value[slots] for key, value in self.stored.items()}

    def flat(self, observation: dict[str, np.ndarray]) -> np.ndarray:
        """Dictionary of (n, …) arrays to (n, D) float32, in Stable-Baselines3's order of keys."""
        if not self.keys:
            return np.zeros((len(next(iter(observation.values()))), 0), np.float32)
        return np.concatenate([observation[key] for key in self.keys], axis=1, dtype=np.float32)

    def rest(self, observation: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """What `flat` leaves out: (n, …) arrays by key."""
        return {key: observation[key] for key in self.extra}

    def unflatten(self, x: np.ndarray) -> dict[str, np.ndarray]:
        """The dictionary that `flat` made x (n, D) of."""
        ends = np.cumsum([self.goal, self.goal, self.size - 2 * self.goal])[: len(self.keys) - 1]
        return dict(zip(self.keys, np.split(x, ends, axis=1) if self.keys else (), strict=True))

    def add(
        self, x: np.ndarray, next_x: np.ndarray, actions: np.ndarray, rewards: np.ndarray, dones: np.ndarray,
        terminated: np.ndarray, extra: dict[str, np.ndarray] | None = None,
        next_extra: dict[str, np.ndarray] | None = None,
    ) -> None:  # fmt: skip
        """One step of all environments; where `dones`, `next_x` and `next_extra` are of the episode's own last one.

        Of n environments: `x` and `next_x` (n, D), `actions` (n, A), `extra` and `next_extra` (n, …), the rest (n,).
        """
        rows, t = np.arange(self.n_envs), self.open_steps
        self.open["x"][rows, t] = x
        self.open["x"][rows, t + 1] = next_x
        for key in self.extra:
            kept = self.open[f"{EXTRA}{key}"]
            # Of a stack the newest frame.
            newest = slice(-kept.shape[2], None) if key in self.stacks else slice(None)
            kept[rows, t], kept[rows, t + 1] = extra[key][:, newest], next_extra[key][:, newest]
        self.open["actions"][rows, t] = actions
        self.open["rewards"][rows, t] = rewards
        self.open["terminated"][rows, t] = terminated
        self.open_steps += 1
        finished = np.flatnonzero(dones | (self.open_steps == self.length))
        for env in finished:
            self._store({key: value[env] for key, value in self.open.items()}, int(self.open_steps[env]))
            self.open_steps[env] = 0
        if len(finished):
            self._index()

    def drop_open(self) -> None:
        """Forget unfinished episodes: the next observation will come from a reset."""
        self.open_steps[:] = 0

    def _store(self, episode: dict[str, np.ndarray], steps: int) -> None:
        slot = self.added % self.episodes
        self._write(slot, episode)
        achieved = episode["x"][: steps + 1, : self.goal]
        self.lengths[slot] = steps
        self.moved[slot] = np.linalg.norm(achieved - achieved[0], axis=1).max() > self.moved_distance
        self.matcher.add(slot, achieved, episode["x"][0, self.goal : 2 * self.goal])
        self.added += 1

    def _index(self) -> None:
        """Ends of the stored episodes on one line of transitions: all of them, and those that moved."""
        self.all = np.arange(min(self.added, self.episodes))
        self.all_ends = np.cumsum(self.lengths[self.all])
        self.some = np.flatnonzero(self.moved)
        self.some_ends = np.cumsum(self.lengths[self.some])

    def __len__(self) -> int:
        """Transitions that can be sampled."""
        return int(self.all_ends[-1]) if len(self.all_ends) else 0

    def moved_lately(self, episodes: int = 100) -> float:
        """Share of the newest episodes in which the achieved goal moved; 0 before there are any."""
        newest = np.arange(max(0, self.added - episodes, self.added - self.episodes), self.added) % self.episodes
        return float(self.moved[newest].mean()) if len(newest) else 0.0

    def _draw(
        self, generator: np.random.Generator, n: int, slots: np.ndarray, ends: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """n transitions, uniform over all steps of the episodes `slots`: (slot, step), each (n,)."""
        return transitions_at(np, generator.integers(0, ends[-1], n), slots, ends, self.lengths)

    def sample(self, n: int, generator: np.random.Generator) -> Batch:
        """n transitions, `her_ratio` of them with another goal of the same episode. Raises `ValueError` when empty."""
        if not len(self):
            raise ValueError("no finished episode yet")
        slots, steps = self._draw(generator, n, self.all, self.all_ends)
        if self.moved_fraction > 0 and len(self.some):
            self._match(generator)
            # Every transition decides for itself, so that relabelled and original ones get the same share.
            chosen = np.flatnonzero(generator.random(n) < self.moved_fraction)
            slots[chosen], steps[chosen] = self._draw(generator, len(chosen), self.some, self.some_ends)
        x, goals = self.stored["x"][slots, steps], None
        relabelled = int(self.her_ratio * n)
        if relabelled:
            goals = self._goals(generator, slots[:relabelled], steps[:relabelled])
        last, rewards, discounts = self._ahead(slots, steps, goals)
        next_x = self.stored["x"][slots, last + 1]
        if goals is not None:
            x[:relabelled, self.goal : 2 * self.goal] = goals
            next_x[:relabelled, self.goal : 2 * self.goal] = goals
        actions = self.stored["actions"][slots, steps]
        if self.reflection is not None:
            rows = np.flatnonzero(generator.random(n) < 0.5)
            x[rows], next_x[rows] = self.reflection(x[rows]), self.reflection(next_x[rows])
            actions[rows] *= self.reflection.action_sign
        here, there = ({key: self._seen(key, slots, step) for key in self.sampled} for step in (steps, last + 1))
        return Batch(x, next_x, actions, rewards, discounts, here, there)

    def _seen(self, key: str, slots: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """What the environment showed under `key` at these steps; an episode's first frame stands for those before."""
        ages = range(self.stacks.get(key, 1) - 1, -1, -1)
        frames = [self.stored[f"{EXTRA}{key}"][slots, np.maximum(steps - age, 0)] for age in ages]
        return frames[0] if len(frames) == 1 else np.concatenate(frames, axis=1)

    def _ahead(
        self, slots: np.ndarray, steps: np.ndarray, goals: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """`look_ahead`, with the first len(goals) rows rewarded for these goals instead of their own."""

        def reward(last: np.ndarray) -> np.ndarray:
            rewards = self.stored["rewards"][slots, last]
            if goals is not None:
                # r = R(achieved after the step, new goal)
                achieved = self.stored["x"][slots[: len(goals)], last[: len(goals)] + 1, : self.goal]
                rewards[: len(goals)] = self.compute_reward(achieved, goals, {})
            return rewards

        ones = np.ones(len(slots), np.float32)
        return look_ahead(
            np, steps, self.lengths[slots], ones, self.n_steps, self.gamma, reward,
            lambda last: self.stored["terminated"][slots, last],
        )  # fmt: skip

    def _match(self, generator: np.random.Generator) -> None:
        """Replace the episodes that moved by those among them that match the task's goals."""
        if not self.match_desired_goals or self.matched_at == self.added:
            return
        drawn_at, pool = self.kept_pool
        if drawn_at != self.added:
            pool = self.matcher.pool(generator, len(self.all), np.flatnonzero(self.moved))
        self.some = pool
        self.some_ends = np.cumsum(self.lengths[self.some])
        self.matched_at = self.added

    def pool(self) -> dict[str, np.ndarray]:
        """The slots (N,) of matched episodes and when they were drawn: what the episodes alone do not give back."""
        slots = self.some if self.match_desired_goals else np.zeros(0, np.int64)
        return {"drawn_at": np.array(self.matched_at), "slots": slots.copy()}

    def keep_pool(self, pool: dict[str, np.ndarray]) -> None:
        """Go on with this pool, slots (N,), where the next batch is drawn from as many episodes as it was."""
        self.kept_pool = int(pool["drawn_at"]), pool["slots"]

    def achieved_goals_near(self, goals: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """For each of `goals` (n, G), m, one near to it that was achieved by moving; itself before any was."""
        moved = np.flatnonzero(self.moved)
        return self.matcher.reachable(generator, goals, moved) if len(moved) else goals

    def _goals(self, generator: np.random.Generator, slots: np.ndarray, steps: np.ndarray) -> np.ndarray:
        """What the same episode achieved after a step that `strategy` chooses."""
        chosen = goal_steps(self.strategy, steps, self.lengths[slots], generator.integers)
        return self.stored["x"][slots, chosen + 1, : self.goal]

    def capacity(self) -> int:
        """Number of episodes in the ring buffer."""
        return self.episodes

    def position(self) -> int:
        """Episodes so far."""
        return self.added

    def skip(self, rows: int) -> None:
        """Move to the position that the ring buffer has after so many episodes."""
        self.added = rows

    def export(self, since: int) -> dict[str, np.ndarray]:
        """The N episodes added since there were `since`, oldest first, as arrays (N, …) that `load` takes."""
        slots = np.arange(since, self.added) % self.episodes
        return self._read(slots) | {"lengths": self.lengths[slots]}

    def load(self, arrays: dict[str, np.ndarray]) -> None:
        """Add N exported episodes, arrays (N, …) by name."""
        for row, steps in enumerate(arrays["lengths"]):
            self._store({key: arrays[key][row] for key in self.stored}, int(steps))
        self._index()
