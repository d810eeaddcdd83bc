"""Curves of success against the size of a perturbation, over several agents and training seeds (chapter 07)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agents.archive import read_meta, zip_path
from agents.controllers import CONTROLLERS
from analysis.robustness import curve_of, outcome, run_of, table_text
from configs.perturbations import Perturbation
from evaluation.grid import Point, evaluate_grid

FILTER = "obs_lowpass"


def filters_of(agent: str) -> tuple[str, ...]:
    """The filters that a checkpoint was trained behind; none for a controller. Raises `UserError`."""
    if not agent.endswith(".zip"):
        return ()
    wrappers = read_meta(zip_path(agent)).config.get("wrap") or ()
    return tuple(text for text in wrappers if text.partition(":")[0] == FILTER)


def points_of(agent: str, env_id: str, kind: Perturbation, grid: Sequence[float]) -> list[Point]:
    """`agent` under `kind` at each size. Of its training's wrappers only the filter stays: it is part of the policy."""
    trained = {"trained_wraps": False} if agent.endswith(".zip") else {}
    filters = filters_of(agent)
    return [Point(agent, env_id, kind.around(size) + filters, {"size": size}, **trained) for size in grid]


def curves_of(agents: dict[str, list[str]], env_id: str, kind: Perturbation, grid: list[float], n_episodes: int,
              faster: Any, keep: Path) -> dict[str, Any]:  # fmt: skip
    """One perturbation: for each name in `agents` the curve over its checkpoints, or over the one controller.

    `faster` and `keep` as in `evaluation.grid.evaluate_grid`.
    """
    curves = {}
    for agent in itertools.chain.from_iterable(agents.values()):
        if not agent.endswith(".zip"):
            CONTROLLERS.canonical(agent)  # a mistyped one is refused before the first episode of another
    for name, members in agents.items():
        runs = []
        for agent in members:
            found = evaluate_grid(points_of(agent, env_id, kind, grid), range(n_episodes), outcome, faster, keep=keep)
            columns = [{metric: point.column(metric) for metric in ("success", "held", "any")} for point in found]
            runs.append(run_of(Path(agent).name, columns) | {"seconds": sum(point.seconds for point in found)})
        curves[name] = curve_of(grid, runs)
    panel = {"about": kind.about, "wrappers": list(kind.wrappers), "unit": kind.unit, "grid": grid, "curves": curves}
    print(f"\n{env_id}, {kind.about}\n{table_text(grid, curves, kind.unit)}", flush=True)
    return panel
