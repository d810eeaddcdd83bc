"""Which episodes to replay and which goals to act on: achieved goals close to the desired ones.

Uniform replay repeats what happens most; on PickAndPlace hardly any of it happens in the air, where half of the goals
are. Here a goal is drawn from those the task has asked for, and the episode is taken that came nearest to it, out of a
random handful so that not always the same one wins.

Acting on a goal that is far beyond anything achieved teaches little; acting on the nearest that was achieved leads to
the border of what is possible, and the border moves on. In the spirit of Ren et al. 2019, "Exploration via Hindsight
Goal Generation" (arXiv:1906.04279), with the nearest of a handful in place of their optimal matching.
"""

from __future__ import annotations

import numpy as np


class GoalMatcher:
    """A pool of `size` episodes matched to desired goals, renewed whenever episodes were added.

    Of each episode `points` achieved goals are looked at, spread over its steps; `handful` candidates, with repetition,
    compete for each goal.
    """

    def __init__(self, episodes: int, goal: int, points: int = 5, size: int = 256, handful: int = 64):
        self.points, self.size, self.handful = points, size, handful
        self.achieved = np.zeros((episodes, points, goal), np.float32)
        self.desired = np.zeros((episodes, goal), np.float32)

    def add(self, slot: int, achieved: np.ndarray, desired: np.ndarray) -> None:
        """Take in one episode: achieved goals (T + 1, G) and the desired goal (G,), in m."""
        steps = np.linspace(len(achieved) // self.points, len(achieved) - 1, self.points).astype(int)
        self.achieved[slot] = achieved[steps]
        self.desired[slot] = desired

    def pool(self, generator: np.random.Generator, stored: int, candidates: np.ndarray) -> np.ndarray:
        """Slots (size,) out of `candidates` (C,), for goals drawn from the first `stored` slots' desired goals."""
        return self._nearest(generator, self.desired[generator.integers(0, stored, self.size)], candidates)[0]

    def reachable(self, generator: np.random.Generator, goals: np.ndarray, candidates: np.ndarray) -> np.ndarray:
        """For each of `goals` (n, G), m, one near to it that an episode of `candidates` (C,) achieved: (n, G)."""
        slots, points = self._nearest(generator, goals, candidates)
        return self.achieved[slots, points]

    def _nearest(
        self, generator: np.random.Generator, goals: np.ndarray, candidates: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(len(goals))
        handful = candidates[generator.integers(0, len(candidates), (len(goals), self.handful))]
        # (goals, handful, points)
        distances = np.linalg.norm(self.achieved[handful] - goals[:, None, None], axis=3)
        member = distances.min(axis=2).argmin(axis=1)
        return handful[rows, member], distances[rows, member].argmin(axis=1)
