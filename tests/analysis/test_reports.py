"""Reports: what goes out comes back, and what is not ours is refused in one line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from analysis import reports
from analysis.reports import MODELS, SCHEMA_VERSION, SCHEMAS, DataReport, EvalReport, Rate, TrainMeta
from common.errors import UserError

FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
DATA = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | FINITE | TEXT | st.lists(FINITE, max_size=3))


@settings(deadline=None, max_examples=50)
@given(data=DATA, wall_clock_s=st.floats(0, 1e9), seeds=st.lists(st.integers(0, 2**31 - 1), max_size=3))
def test_a_report_comes_back_equal(
    tmp_path_factory: pytest.TempPathFactory, metadata: dict, data: dict, wall_clock_s: float, seeds: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "report.json"
    known = metadata | {"wall_clock_s": wall_clock_s, "seeds": seeds}
    report = DataReport(name="x", data=data, **known)
    reports.save(path, report)
    assert reports.load(path, DataReport) == report


def test_an_evaluation_comes_back_equal_under_its_json_names(
    tmp_path: Path, make_report: Callable, make_episode: Callable
) -> None:
    report = make_report([make_episode(seed, seed % 2 == 0) for seed in range(6)])
    reports.save(tmp_path / "e.json", report)
    value = json.loads((tmp_path / "e.json").read_text())
    assert value["episodes"][0]["return"] == -10.0 and value["aggregate"]["return"]["n"] == 6
    assert "return_" not in json.dumps(value)
    assert reports.load(tmp_path / "e.json", EvalReport) == report


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_goes_into_no_report(tmp_path: Path, metadata: dict, bad: float) -> None:
    with pytest.raises(ValidationError):
        Rate(n=1, successes=1, rate=bad, low=0, high=1)
    with pytest.raises(ValidationError):
        DataReport(name="x", data={}, **(metadata | {"wall_clock_s": bad}))
    # Free dictionaries are not typed: there it is the writing that refuses, and turns nothing into null.
    for known in ({"data": {"deep": [bad]}}, {"data": {}, "config": {"gamma": bad}}):
        with pytest.raises(ValueError):
            reports.save(tmp_path / "x.json", DataReport(name="x", **(metadata | known)))
    # A model that was changed after it was checked is checked again.
    report = DataReport(name="x", data={}, **metadata)
    report.wall_clock_s = bad
    with pytest.raises(ValueError):
        reports.save(tmp_path / "x.json", report)
    assert not (tmp_path / "x.json").exists()


def _write(path: Path, metadata: dict, **changes: object) -> dict:
    value = json.loads(reports.dump(DataReport(name="x", data={}, **metadata))) | changes
    path.write_text(json.dumps(value))
    return value


def test_a_newer_version_is_refused_by_name(tmp_path: Path, metadata: dict) -> None:
    path = tmp_path / "x.json"
    # Whatever else a newer version changed, its number is what the message is about.
    _write(path, metadata, schema_version=SCHEMA_VERSION + 1, kind="hologram", more=1)
    message = rf"version {SCHEMA_VERSION + 1}; this checkout reads up to {SCHEMA_VERSION}"
    with pytest.raises(UserError, match=message):
        reports.load(path, DataReport)


VERSION_1 = """{"schema_version": 1, "kind": "train", "status": "finished", "created": "2024-01-01T00:00:00+00:00",
"commit": null, "dirty": null, "command": "python train.py", "config": {"gamma": 0.95}, "config_hash": "0",
"env_id": "FetchReach-v4", "seeds": [0], "device": "cpu", "n_envs": 1, "versions": {"python": "3.11.0"},
"hardware": {"cpu": "x", "cores": 2, "memory_gib": null, "gpu": null, "platform": "Linux x86_64"},
"wall_clock_s": 1.5, "sources": {"gamma": "flag"}, "recipe": null, "total_steps": 10, "steps": 10, "updates": 5}"""


def test_the_first_version_stays_readable(tmp_path: Path) -> None:
    # Typed out, not written by the models: a later version of them still has to read exactly this.
    (tmp_path / "old.meta.json").write_text(VERSION_1)
    meta = reports.load(tmp_path / "old.meta.json", TrainMeta)
    assert (meta.steps, meta.resumed, meta.evaluations, meta.config) == (10, 0, [], {"gamma": 0.95})


@pytest.mark.parametrize(
    "changes",
    [
        {"schema_version": 0}, {"schema_version": "1"}, {"schema_version": True}, {"schema_version": None},
        {"kind": "evaluation"}, {"kind": None}, {"kind": ["data"]}, {"kind": "hologram"},
        {"unknown_key": 1}, {"wall_clock_s": -1}, {"status": "fine"}, {"hardware": None}, {"seeds": "0-9"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, metadata: dict, changes: dict) -> None:
    _write(tmp_path / "x.json", metadata, **changes)
    with pytest.raises(UserError) as caught:
        reports.load(tmp_path / "x.json", DataReport)
    assert "\n" not in str(caught.value) and "x.json" in str(caught.value)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\x89PNG\r\n\x1a\n", b"[" * 100_000, b'{"schema_version": 1, "x": NaN}', b"9" * 5000],
    ids=lambda content: ascii(content[:12]),
)
def test_a_file_that_is_no_report(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match="x.json"):
        reports.load(path, DataReport)


def test_a_missing_file_a_folder_and_a_huge_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="does not exist"):
        reports.load(tmp_path / "nothing.json", DataReport)
    with pytest.raises(UserError, match="no JSON file"):
        reports.load(tmp_path, DataReport)
    monkeypatch.setattr(reports, "LARGEST_REPORT", 10)
    (tmp_path / "x.json").write_text(" " * 11)
    with pytest.raises(UserError, match="larger than any report"):
        reports.load(tmp_path / "x.json", DataReport)


@pytest.mark.parametrize("kind", MODELS)
def test_committed_schemas_equal_the_models(kind: str) -> None:
    committed = (SCHEMAS / f"{kind}.schema.json").read_text(encoding="utf-8")
    assert committed == reports.schema_text(kind), "run python -m analysis.reports"


def test_every_kind_has_one_schema_and_every_model_its_kind() -> None:
    assert sorted(path.name for path in SCHEMAS.iterdir()) == sorted(f"{kind}.schema.json" for kind in MODELS)
    assert {model.model_fields["kind"].default: model for model in MODELS.values()} == MODELS


def test_reports_of_version_1_stay_readable(tmp_path: Path) -> None:
    """What ships from before evaluations named their task."""
    root = Path(reports.__file__).parents[1]
    paths = [*(root / "results/reference").glob("*_eval.json"), *(root / "checkpoints/reference").glob("*.meta.json")]
    assert len(paths) >= 6
    for path in paths:
        value = json.loads(path.read_text())
        value["schema_version"] = 1
        for newer in ("task", "perturbation"):
            value.pop(newer, None)
        old = tmp_path / path.name
        old.write_text(json.dumps(value))
        model = MODELS[value["kind"]]
        for loaded in (reports.load(path, model), reports.load(old, model)):
            assert loaded.env_id and loaded.config_hash == value["config_hash"]
            assert getattr(loaded, "perturbation", None) is None
        assert loaded.schema_version == 1
