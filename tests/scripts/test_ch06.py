"""The script of chapter 06: each command on a few episodes, what it writes, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from analysis.reports import DataReport, load
from common.errors import UserError
from envs.rendering import choose_backend

SCRIPT = "ch06_action_interface"


REACH = "FetchReach-v4"


def test_a_sweep_and_what_it_keeps(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    commands = script.chapter.commands
    assert commands["filter"](env=REACH, alphas="1,0.3", n_episodes=2) == 0
    rows = load("runs/ch06/filter.json", DataReport).data[REACH]
    order = [(agent, value) for agent in ("policy", "scripted") for value in (1, 0.3)]
    assert [(row["agent"], row["value"]) for row in rows] == order
    assert all(row["success"]["n"] == 2 and row["touches"]["n"] == 0 for row in rows)
    # What reaches the simulator is smoother than what was asked for, and only behind a filter.
    assert rows[0]["smoothness"] == rows[0]["policy_smoothness"]
    assert rows[1]["smoothness"]["mean"] < rows[1]["policy_smoothness"]["mean"]
    assert "2 of 2 = 100.0%" in load("runs/ch06/filter.json", DataReport).data["printed"][REACH]
    assert Path("runs/ch06/filter.png").stat().st_size > 10_000
    # The point without a filter is also the one without scaling: nothing is run twice.
    before = set(Path("runs/ch06/grid").iterdir())
    assert commands["scaling"](env=REACH, factors="1", n_episodes=2) == 0
    assert commands["compare"](env=REACH, n_episodes=2) == 0
    assert set(Path("runs/ch06/grid").iterdir()) == before
    found = load("runs/ch06/compare.json", DataReport)
    assert found.data[REACH]["success"]["n"] == found.data[REACH]["energy"]["n"] == 2
    assert "only policy" in capsys.readouterr().out


def test_baseline_and_exchange(script: ModuleType, load_script: Callable[[str], ModuleType]) -> None:
    assert script.chapter.commands["baseline"](env="FetchPush-v4", n_episodes=1) == 0
    agents = load("runs/ch06/baseline.json", DataReport).data["FetchPush-v4"]
    assert list(agents) == ["zero", "random", "policy", "scripted"]
    exchange = load_script("exchange_plans")
    for _ in range(2):
        assert exchange.main(env=REACH, n_episodes=1, keep="kept", json_out="plans.json") == 0
    rows = load("plans.json", DataReport).data[REACH]
    assert len(rows) == len(list(Path("kept").iterdir())) == 8
    assert {(row["plan"], row["execution"], row["delay"]) for row in rows.values()} == {
        (plan, execution, late) for plan in ("policy", "scripted") for execution in ("policy", "proportional")
        for late in (0, 2)
    }  # fmt: skip


def test_plans_of_other_weights_are_carried_out_again(
    load_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file has the same name: a run that was trained again, or one in another folder."""
    exchange, asked = load_script("exchange_plans"), []
    monkeypatch.setattr(exchange, "acting_policy", lambda path, env_id: None)
    monkeypatch.setattr(exchange, "agent_of", lambda *arguments: asked.append(arguments[0]))
    monkeypatch.setattr(exchange, "control_row", lambda trace: {"success": True})
    monkeypatch.setattr(exchange, "summarise", lambda rows: {})
    monkeypatch.setattr("envs.rollout.run_episode", lambda agent, env, seed: None)
    policy = tmp_path / "policy.zip"
    for weights, times in ((b"first", 8), (b"first", 8), (b"second", 16)):
        policy.write_bytes(weights)
        exchange.exchanged(REACH, str(policy), [0], 2, tmp_path / "kept")
        assert len(asked) == times


@pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering here")
def test_a_film_of_both(script: ModuleType) -> None:
    assert script.chapter.commands["video"](env=REACH, seeds="0", mode=script.DEFAULT.__class__(smoke=True)) == 0
    (film,) = script.chapter.smoke_folder.glob("*.gif")
    assert film.read_bytes().startswith(b"GIF8")


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("scaling", {"factors": "0.5,-1"}, "--factors 0.5,-1: expected numbers above 0"),
        ("filter", {"alphas": "1.5"}, "--alphas 1.5.*above 0 to 1"),
        ("delay", {"steps": "0,1.5"}, "whole numbers"),
        ("delay", {"steps": ""}, "'' is none"),
        ("scaling", {"env": "FetchPsh-v4"}, "FetchPush-v4"),
        ("baseline", {"env": "FetchSlide-v4"}, "no controller was written for FetchSlide-v4"),
        ("compare", {"ckpt": "a.zip"}, "add --env"),
        ("compare", {"env": REACH, "ckpt": "a.zip"}, "a.zip does not exist"),
        ("compare", {"n_episodes": 0}, "at least one episode"),
        ("in-the-loop", {"alpha": 0.0}, "--alpha"),
    ],
)
def test_mistakes_are_told(script: ModuleType, command: str, arguments: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        script.chapter.commands[command](**arguments)


def test_a_task_without_a_controller_has_no_plans_to_exchange(load_script: Callable[[str], ModuleType]) -> None:
    exchange = load_script("exchange_plans")
    for arguments, says in (({"env": "FetchSlide-v4"}, "no controller"), ({"ckpt": "a.zip"}, "add --env"),
                            ({"delay": 0}, "--delay 0"), ({"env": "FetchPsh-v4"}, "FetchPush-v4")):  # fmt: skip
        with pytest.raises(UserError, match=says):
            exchange.main(**arguments)
