"""Which episodes to replay: those that came near the goals which the task asks for.

Uniform replay repeats what happens most; on PickAndPlace hardly any of it happens in the air, where half of the goals
are. Here a goal is drawn from those the task has asked for, and the episode is taken that came nearest to it, out of a
random handful so that not always the same one wins. In the spirit of Ren et al. 2019, "Exploration via Hindsight Goal
Generation" (arXiv:1906.04279), which matches goals to act on; here they choose what is learned from.
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
        """`size` slots out of `candidates`, for goals drawn from the first `stored` slots' desired goals."""
        goals = self.desired[generator.integers(0, stored, self.size)]
        handful = candidates[generator.integers(0, len(candidates), (self.size, self.handful))]
        # (goals, handful, points)
        distances = np.linalg.norm(self.achieved[handful] - goals[:, None, None], axis=3)
        nearest = distances.min(axis=2).argmin(axis=1)
        return handful[np.arange(self.size), nearest]
