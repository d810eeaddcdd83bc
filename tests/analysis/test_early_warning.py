"""The rules: each speaks past its threshold and is silent before it, and the measured runs raise nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis import early_warning as ew
from analysis.early_warning import Limits, Row, first_findings, judge, main, rows_of
from common.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
LOGS = sorted((ROOT / "results/recipes/ppo_FetchReachDense-v4").glob("seed*_metrics.jsonl"))
HEALTHY: Row = {
    "steps": 800.0, ew.LOSS: 0.6, ew.EXPLAINED: 0.1, ew.KL: 0.01, ew.CLIPPED: 0.1, ew.STD: 1.0, ew.POLICY_LOSS: -0.01,
    ew.NORM: 1.0, ew.DEAD: 0.0, ew.BOUND: 5.0, ew.SUCCESS: 0.1, ew.RETURN: -10.0, ew.EPISODES: 320.0,
}  # fmt: skip


def names(*changes: Row) -> set[str]:
    """Which rules speak about the last of these rows, each a change of a healthy one."""
    return {finding.rule for finding in judge([HEALTHY | change for change in changes])}


@pytest.mark.parametrize(
    ("rule", "healthy", "broken"),
    [
        ("value_explosion", [{ew.LOSS: 24.9}], [{ew.LOSS: 25.1}]),
        ("entropy_collapse", [{ew.STD: 0.04, ew.SUCCESS: 0.9}], [{ew.STD: 0.04}]),
        ("entropy_explosion", [{ew.STD: 2.9}], [{ew.STD: 3.1}]),
        ("kl_drift", [{ew.KL: 0.2}, {ew.KL: 0.2}], [{ew.KL: 0.2}] * 3),
        ("kl_drift", [{ew.KL: 0.01}, {ew.KL: 0.01}, {ew.KL: 0.2}], [{ew.KL: 1.1}]),
        ("dead_gradients", [{ew.DEAD: 1.0}] * 2, [{ew.DEAD: 0.6}] * 3),
        ("dead_gradients", [{ew.NORM: 0.0}] * 2, [{ew.NORM: 0.0}] * 3),
        ("advantages_off_centre", [{ew.POLICY_LOSS: 0.28}], [{ew.POLICY_LOSS: -0.29}]),
        ("return_without_success", [{}, {ew.RETURN: 1.0, ew.SUCCESS: 0.06}], [{}, {ew.RETURN: 1.0, ew.SUCCESS: 0.0}]),
        ("return_without_success", [{}, {ew.RETURN: -1.0, ew.SUCCESS: 0.0}],
         [{ew.RETURN: 5.0}, {ew.RETURN: 11.0, ew.SUCCESS: 0.0}]),
        ("success_flatline", [{ew.SUCCESS: 0.0, ew.EPISODES: 299.0}], [{ew.SUCCESS: 0.0}]),
    ],
)  # fmt: skip
def test_a_rule_speaks_past_its_threshold(rule: str, healthy: list[Row], broken: list[Row]) -> None:
    assert rule not in names(*healthy)
    assert rule in names(*broken)


def test_a_healthy_row_raises_nothing() -> None:
    assert names({}, {}, {}) == set()


@pytest.mark.parametrize("missing", [key for key in HEALTHY if key != "steps"])
def test_numbers_that_were_not_logged_raise_nothing(missing: str) -> None:
    row = {key: value for key, value in HEALTHY.items() if key != missing}
    assert judge([row] * 3) == []


def test_the_first_time_is_kept() -> None:
    rows = [HEALTHY, HEALTHY | {"steps": 1600.0, ew.LOSS: 30.0}, HEALTHY | {"steps": 2400.0, ew.LOSS: 90.0}]
    (finding,) = first_findings(rows)
    assert (finding.rule, finding.steps, finding.value, finding.threshold) == ("value_explosion", 1600, 30.0, 25.0)
    assert finding.text().startswith("value explosion at 1,600 steps: 30 against 25. ")


def test_thresholds_can_be_set() -> None:
    assert [f.rule for f in judge([HEALTHY], Limits(std_high=0.5))] == ["entropy_explosion"]


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.name)
def test_the_measured_runs_raise_nothing(path: Path) -> None:
    rows = rows_of(str(path))
    assert len(rows) == 60 and rows[0]["steps"] == 800 and rows[-1]["steps"] == 48_000
    assert rows[-1][ew.SUCCESS] > 0.3
    assert first_findings(rows) == []


def test_three_runs_were_measured() -> None:
    assert len(LOGS) == 3


def test_the_command_names_what_was_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.metrics.jsonl"
    lines = [{"kind": "train", "steps": 800, "updates": 10, "wall_clock_s": 1.0, ew.KL: 2.0}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main([str(LOGS[0])]) == 0 and main([str(path)]) == 1
    printed = capsys.readouterr().out
    assert "60 updates, nothing to warn of" in printed and "kl drift at 800 steps: 2 against 1" in printed


def test_a_log_of_another_algorithm_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    log = next((ROOT / "results/recipes/sac_FetchReachDense-v4").glob("*_metrics.jsonl"))
    with pytest.raises(UserError, match="no update of PPO"):
        rows_of(str(log))
    assert main([str(log)]) == 2
    assert "Traceback" not in capsys.readouterr().err
