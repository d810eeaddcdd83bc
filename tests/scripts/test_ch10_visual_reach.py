"""The syllabus' name of chapter 09's script: every command of weeks 8 and 9 exists there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

# Of the syllabus, with its flags.
COMMANDS = [
    "train-state --seed 0", "train-pixel --seed 0", "train-pixel-drq --seed 0", "compare", "train-push-state --seed 0",
    "train-push-her --seed 0", "train-pixel-her-drq --seed 0 --env FetchPush-v4", "push-compare",
]  # fmt: skip


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("ch10_visual_reach")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_syllabus_commands_are_understood(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    name, *flags = command.split()
    monkeypatch.setattr(sys, "argv", ["scripts/ch10_visual_reach.py", name, *flags, "--help"])
    with pytest.raises(SystemExit) as ended:
        script.main()
    printed = capsys.readouterr().out
    assert ended.value.code == 0 and f"ch09_pixels.py {name}" in printed
    assert all(flag in printed for flag in flags if flag.startswith("--"))


def test_a_command_that_does_not_exist(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["scripts/ch10_visual_reach.py", "train-pixels"])
    with pytest.raises(SystemExit) as ended:
        script.main()
    assert ended.value.code == 2 and "train-pixel" in capsys.readouterr().err
