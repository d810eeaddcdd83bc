"""The policies that ship: they load the safe way, and do what their report says."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.reports import EvalReport, load
from common.files import sha256
from eval import EvalConfig, evaluate

ROOT = Path(__file__).resolve().parents[1]
POLICIES = sorted((ROOT / "checkpoints/reference").glob("*.zip"))


def test_there_are_some() -> None:
    assert POLICIES


@pytest.mark.parametrize("path", POLICIES, ids=lambda path: path.stem)
def test_it_repeats_its_report_on_the_first_seeds(path: Path) -> None:
    report = load(ROOT / f"results/reference/{path.stem}_eval.json", EvalReport)
    assert report.checkpoint_sha256 == sha256(path.read_bytes())
    again = evaluate(EvalConfig(ckpt=str(path), env=path.stem, seeds="0-9"))
    # Other processors round otherwise, so whole rates are compared, not bits.
    expected = sum(episode.success for episode in report.episodes[:10])
    assert abs(again.aggregate.success.successes - expected) <= 1
    assert path.stat().st_size < 20 * 2**20
