"""Which episodes each line of the checklist is read from: told by numbers, without a simulation."""

from __future__ import annotations

from typing import Any

import pytest

from analysis.readiness import net
from evaluation.deployment import DELAYS, LOST, NOMINAL, control_checks

FACTORS = ["mass ×2", "lag ×2", "friction ×2"]


def rows(successes: int, **changes: Any) -> list[dict[str, Any]]:
    """Ten episodes of which so many succeed."""
    row = {"held": True, "solved_at_reset": False, "squared_change": 0.25, "saturated": 0.1, "peak": 0.8, "outside": 0,
           "too_fast": 0, "unsafe": 0, "length": 50, "joint_speed": 0.5, "speed": 0.3}  # fmt: skip
    return [row | {"success": i < successes} | changes for i in range(10)]


def test_each_line_is_read_from_its_own_episodes() -> None:
    found = {NOMINAL: rows(10, unsafe=3, outside=2), LOST: rows(7, unsafe=1, outside=5, peak=9.0, joint_speed=9.0),
             **{name: rows(n) for name, n in zip(FACTORS, (9, 4, 8), strict=True)},
             **{f"delay {steps}": rows(10 if steps == 1 else 0) for steps in DELAYS}}  # fmt: skip
    rates = {name: net(each) for name, each in found.items()}
    checks = control_checks(found, rates, FACTORS)
    # The worst factor, not the best; what is lost, not what is seen.
    assert checks["worst_factor"][0] == rates["lag ×2"]["low"] and checks["worst_factor"][1].startswith("lag ×2: 4 of")
    assert checks["lost_view"][0] == rates[LOST]["low"] < checks["success"][0] == rates[NOMINAL]["low"]
    assert checks["lost_safe"] == (10.0, "2.0% of all steps, 6.0% where nothing is lost")
    assert checks["workspace"] == (20.0, "in 10 of 10 episodes")
    assert checks["peak"][0] == 0.8 and checks["speed"][0] == 0.5 and checks["smoothness"][0] == pytest.approx(0.5)
    assert checks["delay_margin"][0] == 0.0, "ten episodes of ten leave the lower end below the limit"
