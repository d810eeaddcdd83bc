"""Tables of policies trained with and without randomised robots."""

from __future__ import annotations

import pytest

from analysis.randomization import HALF, NOMINAL, TOGETHER, robot_rows, robots_figure, summary, table_text


def episodes(good: int, bad: int, begun: int = 0) -> list[dict]:
    """Rows of episodes: solved, failed, and solved from the beginning."""
    kinds = [(True, False)] * good + [(False, False)] * bad + [(True, True)] * begun
    return [{"success": success, "solved_at_reset": begun} for success, begun in kinds]


FOUND = [
    (arm, seed, robot, episodes(good, 10 - good, 3))
    for arm, rates in {"clean": (10, 2, 1, 5), "all": (9, 8, 8, 7)}.items()
    for seed in (0, 1)
    for robot, good in zip((NOMINAL, "lag ×0.5", HALF, TOGETHER), rates, strict=True)
]


def test_seeds_are_pooled_without_what_began_solved() -> None:
    rows = robot_rows(FOUND)
    assert [row["robot"] for row in rows] == [NOMINAL, "lag ×0.5", HALF, TOGETHER]
    cell = rows[1]["arms"]["clean"]
    assert (cell["pooled"]["successes"], cell["pooled"]["n"]) == (4, 20)
    assert cell["seeds"]["0"]["n"] == 10 and set(cell["seeds"]) == {"0", "1"}


def test_the_summary_names_the_worst_single_robot() -> None:
    found = summary(robot_rows(FOUND))
    # Half the range is no single robot, though it is worse here.
    assert found["clean"]["half"]["rate"] == 0.1 and found["clean"]["worst"]["robot"] == "lag ×0.5"
    assert found["clean"]["worst"]["rate"] == 0.2
    assert found["all"]["nominal"]["rate"] == pytest.approx(0.9) and found["all"]["together"]["rate"] == 0.7


def test_every_rate_is_printed_with_its_interval_and_drawn() -> None:
    rows = robot_rows(FOUND)
    text = table_text(rows)
    assert "4 of 20 = 20.0% [8.1, 41.6]" in text and len(text.splitlines()) == 5
    (axes,) = robots_figure(rows).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == [NOMINAL, "lag ×0.5", HALF, TOGETHER]
