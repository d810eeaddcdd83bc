"""The lab of chapter 04 that relabels one transition at a time: its claims hold, and find what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import gymnasium as gym
import numpy as np
import pytest

from agents.replay import EpisodeReplay
from analysis.reports import DataReport, load
from common.errors import UserError


@pytest.fixture
def lab(load_lab: Callable[[str], ModuleType]) -> ModuleType:
    return load_lab("her_relabeler")


def wrong(lab: ModuleType) -> set[str]:
    """First words of the claims that do not hold."""
    claims = lab.check()
    assert len(claims) == 11
    return {" ".join(text.split()[:3]) for text, value, low, high in claims if not low <= value <= high}


def test_every_claim_holds(lab: ModuleType, tmp_path: Path) -> None:
    assert lab.main(verify=True, json_out=str(tmp_path / "a.json")) == 0
    assert len(load(tmp_path / "a.json", DataReport).data["claims"]) == 11


def test_a_future_that_looks_back_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    sample = lab.sample_goals
    monkeypatch.setattr(lab, "sample_goals", lambda episode, t, *rest: sample(episode, max(0, t - 5), *rest))
    assert wrong(lab) == {"goals that future"}


def test_a_reward_that_is_kept_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The classic bug: the goal is changed and the old reward stays beside it."""
    monkeypatch.setattr(lab, "relabel", lambda transition, goal, _: replace(transition, desired_goal=goal))
    assert wrong(lab) == {"own achieved goals", "rewards that the", "the same after"}


def test_an_achieved_goal_from_before_the_step_is_found(lab: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other classic: the reward of the state that the step left."""
    relabel = lab.relabel
    monkeypatch.setattr(lab, "relabel", lambda t, goal, reward: relabel(t, goal, lambda a, g: reward(a + 0.05, g)))
    assert {"own achieved goals", "rewards that the"} <= wrong(lab)


@pytest.mark.parametrize("strategy", ["future", "final", "episode"])
def test_goals_are_drawn_as_the_product_draws_them(lab: ModuleType, strategy: str) -> None:
    """At each step the mean and the range of the steps that goals come from."""
    space = gym.spaces.Dict({
        "observation": gym.spaces.Box(-1, 1, (1,)),
        "achieved_goal": gym.spaces.Box(-np.inf, np.inf, (3,)), "desired_goal": gym.spaces.Box(-np.inf, np.inf, (3,)),
    })  # fmt: skip
    replay = EpisodeReplay(100, 10, space, 4, 1, lambda a, d, i: -np.ones(len(a)), strategy)
    for t in range(10):
        x, done = np.full((1, 7), float(t)), np.array([t == 9])
        replay.add(x, x + 1, np.zeros((1, 4)), np.zeros(1), done, np.zeros(1))
    marked = [lab.Transition(*[np.zeros(1)] * 3, np.full(3, t + 1.0), np.zeros(3), -1.0) for t in range(10)]
    rng = np.random.default_rng(0)
    for t in (0, 5, 9):
        theirs = replay._goals(rng, np.zeros(4000, int), np.full(4000, t))[:, 0]
        ours = np.array([goal[0] for goal in lab.sample_goals(marked, t, 4000, strategy, rng)])
        assert (ours.min(), ours.max()) == (theirs.min(), theirs.max())
        assert abs(ours.mean() - theirs.mean()) < 0.25


def test_an_unknown_strategy_names_the_nearest(lab: ModuleType) -> None:
    episode = lab.record("FetchReach-v4", 0)
    with pytest.raises(UserError, match="futur.*future"):
        lab.sample_goals(episode, 0, 1, "futur", np.random.default_rng(0))


def test_where_the_block_lay_still_every_relabelled_transition_is_solved(lab: ModuleType) -> None:
    """What the page says about Push: nothing moved, so whatever the arm did reached the goal."""
    data = lab.compare_strategies("FetchPush-v4", 20)
    future = next(row for row in data["rows"] if (row["strategy"], row["k"]) == ("future", 4))
    recorded = next(row for row in data["rows"] if row["k"] == 0)
    assert future["zeros"]["still"] >= 0.8 > future["zeros"]["moved"] > recorded["zeros"]["all"]


def test_the_figure_is_drawn_from_an_episode_that_pushes(lab: ModuleType, tmp_path: Path) -> None:
    assert lab.moved(lab.record("FetchPush-v4", lab.PUSHED)) > 0.05
    assert lab.main(figure=str(tmp_path / "a.png")) == 0
    assert (tmp_path / "a.png").stat().st_size > 20_000


def test_the_lab_is_from_scratch(lab: ModuleType) -> None:
    assert "agents" not in Path(lab.__file__).read_text(encoding="utf-8")
