"""Diagnostics of an off-policy run: the numbers are right, and each illness is named, in made-up runs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from analysis.critic_trends import errors, trends_figure
from analysis.metrics import rate
from analysis.replay_diagnostics import coverage_numbers, diagnose, diagnostics_figure, reward_numbers


def contents(near: float = 0.02, visits: Any = None, episodes: int = 40) -> dict[str, np.ndarray]:
    """40 episodes of 10 steps in which the gripper hangs 20 cm above the goal at first, `near` (m) at last."""
    rng = np.random.default_rng(0)
    distances = np.repeat(np.linspace(0.2, near, episodes), 10)
    desired = np.repeat(np.c_[rng.uniform(1.2, 1.5, (episodes, 2)), np.full(episodes, 0.5)], 10, axis=0)
    achieved = desired + np.c_[np.zeros((len(distances), 2)), distances] if visits is None else visits
    return {
        "rewards": -distances, "distances": distances, "achieved": achieved, "desired": desired,
        "episode": np.repeat(np.arange(episodes), 10),
    }  # fmt: skip


def returns(promised: float, rewards: float = -0.4, entropy: float = 0.05) -> dict[str, np.ndarray]:
    """50 states of 10 episodes; the second critic promises 0.1 more."""
    noise = np.random.default_rng(1).normal(0, 0.01, (50, 10))
    return {
        "values": np.stack([promised + noise, promised + 0.1 + noise]), "rewards": np.full((50, 10), rewards),
        "soft": np.full((50, 10), rewards + entropy),
    }  # fmt: skip


def trend(solved: int = 20) -> list[dict[str, Any]]:
    success = rate([True] * solved + [False] * (20 - solved)).model_dump()
    return [
        {"steps": 800 * k, "updates": 400 * k, "alpha": 0.005, "promised": -0.3 + 0.1 * k, "soft": -0.4,
         "rewards": -0.45, "success": success}
        for k in range(1, 4)
    ]  # fmt: skip


def test_nothing_is_found_wrong_with_a_healthy_run() -> None:
    numbers = diagnose(contents(), returns(-0.35), trend())
    assert numbers["findings"] == []
    assert numbers["transitions"] == 400 and numbers["episodes"] == 40
    critics = numbers["critics"]
    assert critics["error"] == pytest.approx(0.0, abs=2e-3) and critics["low"] < critics["error"] < critics["high"]
    assert critics["entropy"] == pytest.approx(0.05) and (critics["episodes"], critics["states"]) == (10, 500)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ((contents(), returns(0.1)), "critics overestimate: 0.10 promised, -0.35 obtained"),
        ((contents(), returns(-0.9)), "critics underestimate: -0.90 promised"),
        ((contents(), returns(1.6, entropy=2.0)), "entropy outweighs reward: of a return of 1.60 it is 2.00"),
        ((contents(near=0.18), returns(-0.35)), "no nearer to the goals: median distance 19."),
        ((contents(visits=np.full((400, 3), 1.35)), returns(-0.35)), "cells with goals were ever visited"),
    ],
)  # fmt: skip
def test_each_illness_is_named_alone(run: tuple[Any, Any], words: str) -> None:
    (finding,) = diagnose(*run, trend())["findings"]
    assert words in finding


def test_an_error_within_its_interval_is_no_finding() -> None:
    noisy = returns(-0.2)
    noisy["values"] += np.linspace(-2, 2, 10)
    assert diagnose(contents(), noisy, trend())["findings"] == []


def test_histograms_hold_every_reward_and_the_newest_tenth() -> None:
    numbers = reward_numbers(contents())
    assert sum(numbers["all"]) == 400 and sum(numbers["newest"]) == 40
    assert numbers["newest_mean"] > numbers["mean"]
    few = contents(episodes=3)
    assert sum(reward_numbers(few)["newest"]) == 10, "at least the last episode"


def test_coverage_counts_cells() -> None:
    here = np.array([[0.01, 0.01, 0.0], [0.01, 0.03, 0.0], [0.03, 0.01, 0.0]])
    there = np.array([[0.01, 0.01, 0.0], [0.05, 0.05, 0.0], [0.05, 0.05, 0.0]])
    numbers = coverage_numbers({"achieved": here, "desired": there, "episode": np.arange(3)})
    assert (numbers["goal_cells"], numbers["goal_cells_visited"]) == (2, 1)
    assert np.array(numbers["visits"]).tolist() == [[1, 1, 0], [1, 0, 0], [0, 0, 0]]


def test_the_figures_draw_healthy_and_sick_runs() -> None:
    runs = {
        "healthy": diagnose(contents(), returns(-0.35), trend()),
        "sick": diagnose(contents(0.2), returns(3), trend(0)),
    }
    figure = diagnostics_figure(runs, "title")
    assert len(figure.axes) == 10
    titles = [axes.get_title() for axes in figure.axes]
    assert "healthy\n20 of 20 solved at the end" in titles and "sick\n0 of 20 solved at the end" in titles
    assert any("promised − obtained +3.35" in title for title in titles)
    figure.canvas.draw()


def test_the_trends_are_promised_minus_obtained() -> None:
    run = {"trend": trend()}
    assert errors(run) == [(800, pytest.approx(0.2)), (1600, pytest.approx(0.3)), (2400, pytest.approx(0.4))]
    names = ("healthy", "one_critic", "entropy_from_1", "entropy_from_0.005")
    left, right = trends_figure({name: [run, run] for name in names}).axes
    assert len(left.lines) == 5 and len(right.lines) == 6 and right.get_yscale() == "log"
    end = run["trend"][-1]["success"]
    assert {text.get_text() for text in right.texts} == {f"{2 * end['successes']} of {2 * end['n']}"}
