"""What randomisation buys and costs: success of policies trained with and without it, robot by robot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.compare import format_rate
from analysis.metrics import rate
from analysis.reports import Rate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NOMINAL, HALF, TOGETHER = "nominal", "all, half range", "all together"


def robot_rows(found: Sequence[tuple[str, int, str, list[dict[str, Any]]]]) -> list[dict[str, Any]]:
    """A row for each robot from (arm, training seed, robot, episodes): success by arm, pooled and seed by seed.

    Episodes that begin solved are left out. Robots and arms keep the order in which they come.
    """
    rows: dict[str, dict[str, Any]] = {}
    for arm, seed, robot, episodes in found:
        outcomes = [bool(row["success"]) for row in episodes if not row["solved_at_reset"]]
        cell = rows.setdefault(robot, {}).setdefault(arm, {"outcomes": [], "seeds": {}})
        cell["outcomes"] += outcomes
        cell["seeds"][str(seed)] = rate(outcomes).model_dump()
    return [
        {"robot": robot, "arms": {arm: {"pooled": rate(cell["outcomes"]).model_dump(), "seeds": cell["seeds"]}
                                  for arm, cell in arms.items()}}
        for robot, arms in rows.items()
    ]  # fmt: skip


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """For each arm: success on the nominal robot, its worst robot, and on robots drawn anew each episode."""
    by_robot = {row["robot"]: row["arms"] for row in rows}
    result = {}
    for arm in rows[0]["arms"]:
        single = [name for name in by_robot if name not in (NOMINAL, HALF, TOGETHER)]
        worst = min(single, key=lambda name: by_robot[name][arm]["pooled"]["rate"])
        result[arm] = {
            "nominal": by_robot[NOMINAL][arm]["pooled"],
            "worst": {"robot": worst, **by_robot[worst][arm]["pooled"]},
            "half": by_robot[HALF][arm]["pooled"],
            "together": by_robot[TOGETHER][arm]["pooled"],
        }
    return result


def table_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows on a terminal."""
    arms = list(rows[0]["arms"])
    lines = [f"  {'robot':18s}" + "".join(f"{arm:36s}" for arm in arms)]
    for row in rows:
        cells = (format_rate(Rate(**row["arms"][arm]["pooled"])) for arm in arms)
        lines.append(f"  {row['robot']:18s}" + "".join(f"{cell:36s}" for cell in cells))
    return "\n".join(line.rstrip() for line in lines)


def robots_figure(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """Success by robot: one dot and one Wilson 95% interval for each arm, pooled over seeds; seeds as small dots."""
    from analysis.plots import COLOURS, MARKERS, new_figure

    arms = list(rows[0]["arms"])
    figure, (axes,) = new_figure(8.0, (0.16 + 0.08 * len(arms)) * len(rows) + 1.2)
    # All arms of a row stay within 0.6 of the way to the next.
    spread = min(0.3, 0.6 / max(1, len(arms) - 1))
    for index, arm in enumerate(arms):
        shift = spread * (index - (len(arms) - 1) / 2)
        heights = [len(rows) - place + shift for place in range(len(rows))]
        cells = [row["arms"][arm] for row in rows]
        rates = [100 * cell["pooled"]["rate"] for cell in cells]
        errors = [[r - 100 * c["pooled"]["low"] for r, c in zip(rates, cells, strict=True)],
                  [100 * c["pooled"]["high"] - r for r, c in zip(rates, cells, strict=True)]]  # fmt: skip
        n = max(cell["pooled"]["n"] for cell in cells)
        seeds = len(cells[0]["seeds"])
        label = f"{arm} ({seeds} seed{'s' * (seeds > 1)}, {n} episodes)"
        axes.errorbar(rates, heights, xerr=errors, fmt=MARKERS[index], color=COLOURS[index], capsize=2, label=label)
        for height, cell in zip(heights, cells, strict=True):
            own = [100 * seed["rate"] for seed in cell["seeds"].values()] if seeds > 1 else []
            axes.plot(own, [height - 0.12] * len(own), ".", color=COLOURS[index], markersize=4, alpha=0.6)
    axes.set_yticks([len(rows) - place for place in range(len(rows))], [row["robot"] for row in rows])
    axes.set(xlabel="success (%), episodes that begin solved left out", xlim=(-2, 102))
    figure.legend(loc="outside upper center", ncols=2, frameon=False)
    return figure
