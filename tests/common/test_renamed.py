"""Old checkpoints and reports under today's names: those that ship are read, and nothing of their settings is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from common.renamed import REMOVED, RENAMED, today
from configs.recipes import TUNABLE

ROOT = Path(__file__).resolve().parents[2]
PER_RUN = {"algo", "env", "her", "seed", "device"}


@pytest.mark.parametrize("path", sorted((ROOT / "checkpoints/reference").glob("*.meta.json")), ids=lambda p: p.stem)
def test_settings_of_shipped_checkpoints_are_settings_of_today(path: Path) -> None:
    config = json.loads(path.read_text())["config"]
    assert set(today(config)) - PER_RUN <= set(TUNABLE)
    assert len(today(config)) == len(config.keys() - REMOVED.keys())


def test_a_removed_knob_with_a_value_of_its_own_is_not_forgotten() -> None:
    assert today({"random_until": 32000, "td_steps": 2}) == {"random_until": 32000, "n_steps": 2}
    assert not set(RENAMED) & set(RENAMED.values())
