"""The deployment checklist: what an episode is measured by, what passes, and what the page says."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.metrics import Trace
from analysis.readiness import (
    CRITERIA,
    NAMES,
    SLIDE_WORKSPACE,
    WORKSPACE,
    delay_margin,
    deployment_row,
    judge,
    limit_of,
    missing_facts,
    net,
    row_for,
    verdict_text,
)
from analysis.readiness_page import page
from analysis.reports import DataReport, TrainMeta, load
from common.provenance import metadata
from envs.make import make_env
from tests.contract.test_house import ROOT

GOOD = {name: (limit_of(name), "as it should be") for name in NAMES}


def trace(steps: int = 12, **changes) -> Trace:
    """An episode of a gripper at rest that is solved from the third step on."""
    values = {
        "seed": 0,
        "achieved_goals": np.full((steps + 1, 3), 0.5),
        "desired_goal": np.full(3, 0.6),
        "grip_positions": np.tile([1.3, 0.75, 0.5], (steps + 1, 1)),
        "rewards": np.zeros(steps),
        "successes": np.arange(steps) >= 2,
        "applied_actions": np.zeros((steps, 4)),
        "policy_actions": np.zeros((steps, 4)),
        "distance_threshold": 0.05,
    }
    return Trace(**values | changes)


def test_success_is_held_only_where_none_of_the_last_ten_steps_fails() -> None:
    assert deployment_row(trace())["held"]
    once = np.ones(12, bool)
    once[4] = False
    assert not deployment_row(trace(successes=once))["held"] and deployment_row(trace(successes=once))["success"]


def test_workspace_and_actions_are_measured() -> None:
    way = np.tile([1.3, 0.75, 0.5], (13, 1))
    way[5:] += [0.0, 0.05, 0.0]  # 5 cm in 40 ms
    way[9] = [1.3, 0.75, 0.95]
    actions = np.zeros((12, 4))
    actions[1::2] = 1.0
    row = deployment_row(trace(grip_positions=way, policy_actions=actions))
    assert row["outside"] == 1 and row["speed"] > 10
    assert row["squared_change"] == 1.0 and row["saturated"] == 0.5 and row["peak"] == 1.0
    slow = deployment_row(trace(grip_positions=way[:5].repeat(3, axis=0)[:13]))
    assert slow["outside"] == 0


def test_each_joint_is_judged_by_its_own_limit() -> None:
    """0.08 rad in 40 ms are 2 rad/s: too fast for a shoulder (1.25), not for a wrist (2.26)."""
    turned = np.zeros((13, 7))
    turned[5:, 6] = 0.08
    wrist = deployment_row(trace(arm_angles=turned))
    assert wrist["too_fast"] == 0 and wrist["joint_speed"] == pytest.approx(2.0 / 2.26)
    shoulder = deployment_row(trace(arm_angles=turned[:, ::-1]))
    assert shoulder["too_fast"] == 1 and shoulder["joint_speed"] == pytest.approx(2.0 / 1.25)
    away = np.tile([1.3, 0.75, 0.95], (13, 1))
    both = deployment_row(trace(arm_angles=turned[:, ::-1], grip_positions=away))
    assert both["outside"] == 13 and both["unsafe"] == both["length"] == 12
    other_robot = deployment_row(trace())
    assert other_robot["too_fast"] is None and other_robot["joint_speed"] is None


def test_the_workspace_is_above_the_tasks_own_table() -> None:
    """The boxes lie on the tables of the models, as far as these reach."""
    far = trace(grip_positions=np.tile([1.8, 0.75, 0.5], (13, 1)))
    assert row_for("FetchPush-v4")(far)["outside"] == 13 and row_for("FetchSlide-v4")(far)["outside"] == 0
    for env_id, box in (("FetchPush-v4", WORKSPACE), ("FetchSlide-v4", SLIDE_WORKSPACE)):
        model = make_env(env_id).unwrapped.model
        centre, half = model.body("table0").pos, model.geom_size[model.body("table0").geomadr[0]]
        assert np.allclose(box[:, :2], [centre[:2] - half[:2], centre[:2] + half[:2]], atol=0.03)
        assert box[0, 2] == pytest.approx(centre[2] + half[2] - 0.02)


def test_rates_leave_out_what_began_solved() -> None:
    begun = trace(desired_goal=np.full(3, 0.5))
    found = net([deployment_row(begun), deployment_row(trace())])
    assert found["n"] == found["successes"] == 1


def test_the_delay_margin_ends_at_the_first_delay_that_fails() -> None:
    low = {1: {"low": 0.9}, 2: {"low": 0.5}, 3: {"low": 0.95}}
    assert delay_margin(low) == 1 and delay_margin({1: {"low": 0.1}}) == 0


def test_a_policy_at_every_limit_is_ready_and_each_line_alone_stops_it() -> None:
    assert judge(GOOD)["ready"]
    for criterion in CRITERIA:
        off = -1e-6 if criterion.at_least else 1e-6
        verdict = judge(GOOD | {criterion.name: (criterion.limit + off, "")})
        assert verdict["failed"] == [criterion.name] and not verdict["ready"]
    with pytest.raises(KeyError):
        judge({})


@pytest.mark.parametrize("task", ["push", "slide"])
def test_the_published_verdicts_are_of_these_limits(task: str) -> None:
    """The list was written down before any policy was judged: who moves a limit judges again."""
    report = load(ROOT / f"results/ch10_readiness_fetch{task}-v4.json", DataReport)
    lines = [(line["name"], line["limit"], line["at_least"]) for line in report.data["verdict"]["checks"]]
    assert lines == [(criterion.name, criterion.limit, criterion.at_least) for criterion in CRITERIA]


def test_what_was_not_measured_is_not_passed() -> None:
    verdict = judge(GOOD | {"export": (None, "the package is missing")})
    assert verdict["failed"] == ["export"]
    assert "FAIL" in verdict_text("a.zip", verdict) and "not measured" in verdict_text("a.zip", verdict)


def test_metadata_that_lack_something_are_told() -> None:
    meta = load(ROOT / "checkpoints/reference/FetchPush-v4.meta.json", TrainMeta)
    meta.dirty = False
    assert missing_facts(meta) == []
    # Not known is not clean.
    meta.dirty = None
    assert missing_facts(meta) == ["clean working tree"]
    meta.dirty = False
    meta.status, meta.versions["torch"] = "interrupted", None
    assert missing_facts(meta) == ["finished", "version of torch"]


def test_the_page_says_the_verdict_and_shows_nothing_as_markup() -> None:
    point = {"name": "lag ×2", "wrap": "plant:lag=2", "success": net([deployment_row(trace())]), "limit": 0.8}
    endless = point | {"name": "delay 3", "limit": None}
    data = {"policy": "<b>evil</b>.zip", "verdict": judge(GOOD | {"speed": (1.4, "fast & far")}),
            "points": [point, endless], "checkpoint_sha256": "ab" * 32}  # fmt: skip
    text = page(DataReport(**metadata({}, env_id="FetchPush-v4"), name="readiness", data=data))
    assert "Not ready" in text and "speed of the fastest joint: 1.40 times its limit" in text
    assert "<b>evil" not in text and "fast &amp; far" in text and "1 of 1" in text
    assert text.count("<tr>") == len(CRITERIA) + 4 and "http" not in text
    assert "at least 1 step<" in text and "x 1.05 to 1.55, y 0.4 to 1.1, z 0.38 to 0.9" in text
    # The limit of each robot that has one.
    assert text.count('class="limit" style="left:80.0%"') == text.count('class="limit"') == 1
    ready = page(DataReport(**metadata({}), name="readiness", data=data | {"verdict": judge(GOOD)}))
    assert "<strong>Ready</strong>: all 14 tests passed" in ready
