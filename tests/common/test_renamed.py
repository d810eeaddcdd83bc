"""Old checkpoints and reports under today's names: those that ship are read, and nothing of their settings is lost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis.reports import TrainMeta, load
from common.renamed import BEFORE_THE_CHOICE, REMOVED, RENAMED, today
from configs.recipes import TUNABLE

ROOT = Path(__file__).resolve().parents[2]
PER_RUN = {"algo", "env", "her", "seed", "device"}
SHIPPED = sorted((ROOT / "checkpoints/reference").glob("*.meta.json"))
# Metadata of the first reference policies, which were trained again since.
OLDER = sorted((Path(__file__).parent / "older_metadata").glob("*.meta.json"))


@pytest.mark.parametrize("path", [*SHIPPED, *OLDER], ids=lambda p: f"{p.parent.name}-{p.stem}")
def test_settings_of_shipped_checkpoints_are_settings_of_today(path: Path) -> None:
    config = json.loads(path.read_text())["config"]
    assert set(today(config)) - PER_RUN <= set(TUNABLE)
    assert len(today(config)) == len((config | BEFORE_THE_CHOICE).keys() - REMOVED.keys())
    load(path, TrainMeta)


def test_what_was_computed_before_kernels_had_names() -> None:
    assert len(OLDER) == 3
    assert (
        today({"backend": "fast"})["kernel"] == "blas"
        and today({"backend": "fast", "kernel": "auto"})["kernel"] == "auto"
    )
    assert "kernel" not in today({"backend": "sb3"})


def test_a_removed_knob_with_a_value_of_its_own_is_not_forgotten() -> None:
    assert today({"random_until": 32000, "td_steps": 2}) == {"random_until": 32000, "n_steps": 2}
    assert not set(RENAMED) & set(RENAMED.values())
