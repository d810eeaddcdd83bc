"""The script of chapter 10: each command once at its smallest size, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from analysis.readiness import NAMES
from analysis.reports import DataReport, load
from common.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
PUSH = str(ROOT / "checkpoints/reference/FetchPush-v4.zip")


@pytest.fixture
def script(load_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    return load_script("ch10_reality_gap")


def test_readiness_measures_every_line_of_the_checklist(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.readiness(PUSH, n_episodes=2, perturbed_episodes=1) == 0
    data = load("runs/ch10/readiness_fetchpush-v4.json", DataReport).data
    lines = {line["name"]: line for line in data["verdict"]["checks"]}
    assert tuple(lines) == NAMES and not data["verdict"]["ready"]
    # Two episodes say little: whatever they were, the interval's lower end is far below the limit.
    assert lines["success"]["value"] < 0.9 and "success" in data["verdict"]["failed"]
    assert all(line["value"] is not None for name, line in lines.items() if name != "export")
    names = [point["name"] for point in data["points"]]
    assert {"nominal", "mass ×2", "lag ×0.5", "delay 3", "noise 0.005", "lost view"} < set(names) and len(names) == 18
    assert "Not ready" in Path("runs/ch10/readiness_fetchpush-v4.html").read_text(encoding="utf-8")
    assert "NOT READY: success" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [("readiness", {"ckpt": "nothing.zip"}, "nothing")],
)
def test_mistakes_are_told(script: ModuleType, command: str, arguments: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        script.chapter.commands[command](**arguments)
