"""With against without: pooled episodes, seeds, and what is not finished."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.compare import rate_difference
from analysis.hindsight import by_seed, compared, rows_of_sweep, text_of
from analysis.metrics import rate
from analysis.reports import DataReport, save
from common.errors import UserError
from common.provenance import metadata


def row(variant: str, seed: int, successes: int, net: int, status: str = "finished") -> dict:
    """A run's row with 20 episodes, of which 2 began solved."""
    total, other = (rate([i < k for i in range(n)]) for k, n in ((successes, 20), (net, 18)))
    return {
        "variant": variant, "seed": seed, "status": status, "steps": 100, "steps_to_95": 50 if successes > 18 else None,
        "success": total.model_dump(), "success_net": other.model_dump(), "evaluations": [],
    }  # fmt: skip


ROWS = [row("hindsight", 1, 20, 18), row("hindsight", 0, 18, 16), row("no_hindsight", 0, 2, 0),
        row("no_hindsight", 1, 3, 1)]  # fmt: skip


def test_pooled_and_over_seeds() -> None:
    data = compared(ROWS)
    assert data["hindsight"]["seeds"] == [0, 1]
    assert data["hindsight"]["success"]["pooled"]["successes"] == 38
    assert data["no_hindsight"]["success_net"]["pooled"] == rate([True] + 35 * [False]).model_dump()
    expected = rate_difference(rate([True] * 38 + [False] * 2), rate([True] * 5 + [False] * 35))
    assert data["difference"]["low"] == expected.low and data["difference"]["difference"] == expected.difference
    # 0.80 and 0.85: mean 0.825, t with one degree of freedom 12.706 x 0.025
    over = data["difference"]["over_seeds"]
    assert over["seeds"] == [0, 1]
    assert over["low"] == pytest.approx(0.825 - 12.706 * 0.025, abs=1e-3) and over["high"] == 1.0
    assert data["hindsight"]["median_steps_to_95"] is None


def test_one_seed_has_no_interval_over_seeds() -> None:
    data = compared([ROWS[1], ROWS[2]])
    assert "over_seeds" not in data["difference"]
    assert "+80.0 points [+" in text_of("x", data) and "over 1 seeds" not in text_of("x", data)


def test_the_text_names_every_seed() -> None:
    text = text_of("FetchPush-v4", compared(ROWS))
    assert text.count("of 20") == 4 and "over 2 seeds" in text


def test_an_unfinished_run_is_refused() -> None:
    with pytest.raises(UserError, match="no hindsight|no_hindsight, seed 5, is interrupted"):
        compared([*ROWS, row("no_hindsight", 5, 1, 0, "interrupted")])
    with pytest.raises(UserError, match="no run of hindsight"):
        compared(ROWS[2:])


def test_rows_of_a_sweep(tmp_path: Path) -> None:
    rows = [*ROWS, row("other", 0, 1, 1, "running")]
    save(tmp_path / "a.json", DataReport(**metadata({}), name="sweep", data={"rows": rows}))
    assert rows_of_sweep(tmp_path / "a.json") == ROWS
    with pytest.raises(UserError, match="other is not finished"):
        rows_of_sweep(tmp_path / "a.json", ["other"])
    assert [r["successes"] for r in by_seed(ROWS)["hindsight"]] == [20, 18]
