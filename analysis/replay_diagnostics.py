"""Is an off-policy run healthy? Numbers and one figure from its replay and from what its critics promise.

A column a run; from top to bottom the questions to ask, in this order:

    rewards      does the replay hold anything to learn from, and does it get better?
    distances    does the policy come nearer to its goals as the run goes on?
    coverage     were the places where goals lie ever visited?
    promises     do the critics promise what the policy then obtains, neither more nor less?
    trend        was that ever so, and where is it going?

Numbers only: `callbacks/examination.py` runs and examines. Overestimation: van Hasselt 2010; Fujimoto et al. 2018
(arXiv:1802.09477), figure 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.plots import COLOURS, FETCH_THRESHOLD, GREY
from analysis.stats import across_seeds

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# m: side of a cell of the coverage picture.
CELL = 0.02
# m: how far around the goals that picture shows.
AROUND = 0.3
# Points in the picture of promises; the numbers use all.
SHOWN = 400
REPLAY, NEWEST, PROMISED, OBTAINED = GREY, COLOURS[0], COLOURS[1], COLOURS[2]


def reward_numbers(contents: dict[str, np.ndarray], bins: int = 30) -> dict[str, Any]:
    """Histogram of all `rewards` (N,), and of those in the newest tenth of the episodes, over the same edges."""
    rewards, newest = contents["rewards"], _newest(contents)
    low, high = float(rewards.min()), float(rewards.max())
    edges = np.linspace(low, high if high > low else low + 1.0, bins + 1)
    return {
        "edges": edges.round(6).tolist(), "all": np.histogram(rewards, edges)[0].tolist(),
        "newest": np.histogram(rewards[newest], edges)[0].tolist(),
        "mean": float(rewards.mean()), "newest_mean": float(rewards[newest].mean()),
    }  # fmt: skip


def distance_numbers(contents: dict[str, np.ndarray], parts: int = 10) -> dict[str, Any]:
    """Quartiles of `distances` (N,) to the goal, m, in each tenth of the run, and the share inside the threshold."""
    age, distances = _age(contents), contents["distances"]
    tenths = [distances[(age >= k / parts) & (age < (k + 1) / parts)] for k in range(parts)]
    return {
        "quartiles": [np.quantile(part, [0.25, 0.5, 0.75]).round(5).tolist() for part in tenths if len(part)],
        "inside": [float((part < FETCH_THRESHOLD).mean()) for part in tenths if len(part)],
    }


def coverage_numbers(contents: dict[str, np.ndarray]) -> dict[str, Any]:
    """Visits to cells of the workspace seen from above, and which cells with goals were ever visited.

    `achieved` and `desired` (N, G), m, world frame, as `corner`, `cell` and `goals` of the answer are.
    """
    places = {key: contents[key][:, :2] for key in ("achieved", "desired")}
    both = np.concatenate(list(places.values()))
    first = np.floor(both.min(0) / CELL).astype(int)
    shape = tuple(np.floor(both.max(0) / CELL).astype(int) - first + 1)
    counts = {}
    for key, xy in places.items():
        cells = np.floor(xy / CELL).astype(int) - first
        counts[key] = np.zeros(shape, np.int64)
        np.add.at(counts[key], tuple(cells.T), 1)
    goals, visited = counts["desired"] > 0, counts["achieved"] > 0
    ends = contents["desired"][np.unique(contents["episode"], return_index=True)[1], :2]
    return {
        "corner": (first * CELL).round(6).tolist(), "cell": CELL, "visits": counts["achieved"].tolist(),
        "goals": ends[:: max(1, len(ends) // 200)].round(4).tolist(), "goal_cells": int(goals.sum()),
        "goal_cells_visited": int((goals & visited).sum()),
    }  # fmt: skip


def critic_numbers(returns: dict[str, np.ndarray]) -> dict[str, Any]:
    """Promised minus obtained, its 95% interval over episodes, and how much of what was obtained is entropy.

    `values` (K, T, n), `soft` and `rewards` (T, n), of n episodes.
    """
    promised, soft, rewards = returns["values"].min(0), returns["soft"], returns["rewards"]
    # Steps of one episode are no independent observations: an episode is one.
    errors = (promised - soft).mean(0)
    low, high, method = across_seeds(errors.tolist(), bounds=None)
    chosen = np.linspace(0, promised.size - 1, min(SHOWN, promised.size)).astype(int)
    pairs = np.stack([soft.reshape(-1)[chosen], promised.reshape(-1)[chosen]], axis=1)
    return {
        "promised": float(promised.mean()), "obtained": float(soft.mean()), "rewards": float(rewards.mean()),
        "entropy": float((soft - rewards).mean()), "error": float(errors.mean()), "low": low, "high": high,
        "method": method, "episodes": len(errors), "states": int(promised.size), "pairs": pairs.round(4).tolist(),
    }  # fmt: skip


def diagnose(
    contents: dict[str, np.ndarray], returns: dict[str, np.ndarray], trend: list[dict[str, Any]]
) -> dict[str, Any]:
    """All numbers of one run, as JSON, and in words what is wrong with it.

    `contents`: arrays (N, …) of the N transitions in the replay; `returns`: those that `critic_numbers` reads.
    """
    numbers = {
        "transitions": len(contents["rewards"]), "episodes": int(contents["episode"].max()) + 1,
        "rewards": reward_numbers(contents), "distances": distance_numbers(contents),
        "coverage": coverage_numbers(contents), "critics": critic_numbers(returns), "trend": trend,
    }  # fmt: skip
    return numbers | {"findings": findings(numbers)}


def brief(numbers: dict[str, Any]) -> dict[str, Any]:
    """The numbers without those that only the figure needs."""
    critics = {key: value for key, value in numbers["critics"].items() if key != "pairs"}
    cover = {key: value for key, value in numbers["coverage"].items() if key not in ("visits", "goals")}
    return numbers | {"critics": critics, "coverage": cover}


def findings(numbers: dict[str, Any]) -> list[str]:
    """What is wrong, a line each; nothing for a healthy run."""
    found, critics, cover = [], numbers["critics"], numbers["coverage"]
    first, last = numbers["distances"]["quartiles"][0][1], numbers["distances"]["quartiles"][-1][1]
    if abs(critics["entropy"]) > abs(critics["rewards"]):
        found.append(
            f"entropy outweighs reward: of a return of {critics['obtained']:.2f} it is {critics['entropy']:.2f}, "
            f"rewards are {critics['rewards']:.2f}; lower the entropy coefficient"
        )
    # A solved task leaves small returns, beside which every error is large: the scale is the largest return so far.
    scale = max(
        abs(row[key])
        for row in [*numbers["trend"], critics | {"soft": critics["obtained"]}]
        for key in ("soft", "rewards")
    )
    if critics["low"] is not None and critics["low"] > 0 and critics["error"] > 0.25 * scale:
        found.append(
            f"critics overestimate: {critics['promised']:.2f} promised, {critics['obtained']:.2f} obtained "
            f"(error {critics['error']:+.2f}, 95% interval {critics['low']:+.2f} to {critics['high']:+.2f})"
        )
    if critics["high"] is not None and critics["high"] < 0 and -critics["error"] > 0.25 * scale:
        found.append(
            f"critics underestimate: {critics['promised']:.2f} promised, {critics['obtained']:.2f} obtained "
            f"(error {critics['error']:+.2f}, 95% interval {critics['low']:+.2f} to {critics['high']:+.2f})"
        )
    if last > 0.5 * first:
        found.append(f"no nearer to the goals: median distance {100 * first:.1f} cm at first, {100 * last:.1f} cm now")
    if cover["goal_cells_visited"] < 0.5 * cover["goal_cells"]:
        found.append(f"only {cover['goal_cells_visited']} of {cover['goal_cells']} cells with goals were ever visited")
    return found


def diagnostics_figure(runs: dict[str, dict[str, Any]], title: str) -> Figure:
    """A column a run of `diagnose`'s numbers, a row a question."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.1 * len(runs), 15.5), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(5, len(runs), squeeze=False, height_ratios=(1, 1, 1.1, 1.25, 1))
    panels = (_rewards_panel, _distance_panel, _coverage_panel, _promise_panel, _trend_panel)
    for column, (name, numbers) in enumerate(runs.items()):
        for axes, panel in zip(grid[:, column], panels, strict=True):
            axes.spines[["top", "right"]].set_visible(False)
            panel(axes, numbers)
        success = numbers["trend"][-1]["success"]
        grid[0, column].set_title(
            f"{name.replace('_', ' ')}\n{success['successes']} of {success['n']} solved at the end", fontsize=11
        )
    # The same scale in a row, so that columns can be compared.
    lowest = min(numbers["rewards"]["edges"][0] for numbers in runs.values())
    farthest = max(high for numbers in runs.values() for _, _, high in numbers["distances"]["quartiles"])
    goals = np.concatenate([numbers["coverage"]["goals"] for numbers in runs.values()])
    for rewards, distances, places in zip(*grid[:3], strict=True):
        rewards.set_xlim(1.02 * lowest, 0.02 * abs(lowest))
        distances.set_ylim(0, 105 * farthest)
        places.set_xlim(goals[:, 0].min() - AROUND, goals[:, 0].max() + AROUND)
        places.set_ylim(goals[:, 1].min() - AROUND, goals[:, 1].max() + AROUND)
    figure.suptitle(title, fontsize=12)
    return figure


def _rewards_panel(axes: Axes, numbers: dict[str, Any]) -> None:
    rewards = numbers["rewards"]
    for key, colour, label in (("all", REPLAY, "whole replay"), ("newest", NEWEST, "newest tenth")):
        counts = np.array(rewards[key]) / max(1, sum(rewards[key]))
        axes.stairs(counts, rewards["edges"], color=colour, fill=key == "all", alpha=0.5 if key == "all" else 1.0,
                    linewidth=1.6, label=label)  # fmt: skip
    axes.set_xlabel("reward of a step")
    axes.set_ylabel("fraction of transitions")
    axes.legend(frameon=False, fontsize=9, loc="upper left")


def _distance_panel(axes: Axes, numbers: dict[str, Any]) -> None:
    low, middle, high = 100 * np.array(numbers["distances"]["quartiles"]).T
    where = (np.arange(len(middle)) + 0.5) * 100 / len(middle)
    axes.fill_between(where, low, high, color=NEWEST, alpha=0.2, linewidth=0, label="middle half")
    axes.plot(where, middle, color=NEWEST, marker="o", markersize=3.5, label="median")
    axes.axhline(100 * FETCH_THRESHOLD, color="black", linestyle="--", linewidth=1)
    axes.set_xlabel("age in the replay (% of episodes, oldest first)")
    axes.set_ylabel("distance to the goal (cm)")
    axes.legend(frameon=False, fontsize=9, loc="upper right")


def _coverage_panel(axes: Axes, numbers: dict[str, Any]) -> None:
    cover = numbers["coverage"]
    visits, (x, y), cell = np.array(cover["visits"], float), cover["corner"], cover["cell"]
    extent = (x, x + visits.shape[0] * cell, y, y + visits.shape[1] * cell)
    shown = np.ma.masked_equal(np.log10(np.maximum(visits, 1)) + (visits > 0), 0)
    axes.imshow(shown.T, origin="lower", extent=extent, cmap="Blues", vmin=0, aspect="equal")
    axes.scatter(*np.array(cover["goals"]).T, s=7, color=COLOURS[1], linewidth=0, label="goals")
    axes.set_xlabel("x (m), seen from above")
    axes.set_ylabel("y (m)")
    axes.set_title(f"{cover['goal_cells_visited']} of {cover['goal_cells']} cells with goals visited", fontsize=9)
    axes.legend(frameon=False, fontsize=9, loc="upper left", handletextpad=0.1, borderpad=0)


def _promise_panel(axes: Axes, numbers: dict[str, Any]) -> None:
    critics = numbers["critics"]
    obtained, promised = np.array(critics["pairs"]).T
    axes.scatter(obtained, promised, s=7, color=PROMISED, alpha=0.5, linewidth=0)
    low, high = min(obtained.min(), promised.min()), max(obtained.max(), promised.max())
    margin = 0.05 * (high - low)
    axes.plot([low, high], [low, high], color="black", linewidth=1, linestyle="--")
    axes.set_xlim(low - margin, high + margin)
    axes.set_ylim(low - margin, high + margin)
    axes.set_aspect("equal")
    axes.set_xlabel("return obtained from there, entropy included")
    axes.set_ylabel("promised: smaller critic")
    interval = "" if critics["low"] is None else f" [{critics['low']:+.2f}, {critics['high']:+.2f}]"
    axes.set_title(f"promised − obtained {critics['error']:+.2f}{interval}", fontsize=9)


def _trend_panel(axes: Axes, numbers: dict[str, Any]) -> None:
    trend = numbers["trend"]
    steps = [row["steps"] for row in trend]
    for key, colour, label in (
        ("promised", PROMISED, "promised"), ("soft", OBTAINED, "obtained"), ("rewards", GREY, "obtained, rewards alone")
    ):  # fmt: skip
        axes.plot(steps, [row[key] for row in trend], color=colour, marker="o", markersize=3, label=label)
    axes.set_xlim(left=0)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("mean return")
    axes.set_title(f"entropy coefficient {trend[0]['alpha']:.3g} to {trend[-1]['alpha']:.3g}", fontsize=9)
    axes.margins(y=0.3)
    axes.legend(frameon=False, fontsize=9)


def _age(contents: dict[str, np.ndarray]) -> np.ndarray:
    """Age of each transition's episode, from 0 (the oldest kept) up to 1."""
    return contents["episode"] / (contents["episode"].max() + 1)


def _newest(contents: dict[str, np.ndarray]) -> np.ndarray:
    """Which transitions are of the newest tenth of the episodes, at least of the last one."""
    count = contents["episode"].max() + 1
    return contents["episode"] >= count - max(1, count // 10)
