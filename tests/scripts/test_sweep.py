"""The script: mistakes are one line with exit status 2, a smoke run leaves nothing in the checkout."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from analysis.reports import DataReport, load, save
from common.provenance import metadata

COMMAND = {"algo": "ppo", "env": "FetchReachDense-v4", "device": "cpu", "track": "none"}


@pytest.fixture
def script(load_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    return load_script("sweep")


def write(**more: Any) -> None:
    Path("s.json").write_text(json.dumps({"name": "s", "command": COMMAND, "seeds": "0"} | more))


@pytest.mark.parametrize(
    ("change", "flags", "message"),
    [
        ({"command": COMMAND | {"env": "FetchReachDens-v4"}}, [], "Did you mean FetchReachDense-v4?"),
        ({"command": COMMAND | {"her": True}}, [], "--her needs an off-policy algorithm"),
        ({"command": COMMAND | {"gamma": 2.0}}, [], "must lie between 0 and 1"),
        ({"variants": {"a": {"gama": 0.9}}}, [], "Did you mean gamma?"),
        ({}, ["--slots", "0"], "--slots 0"),
        ({}, ["--executor", "slurn"], "Did you mean slurm?"),
        ({}, ["--slot", "1"], "Did you mean --slots?"),
        ({}, ["--time-min", "2"], "90 s before the end"),
        ({}, ["--poll-s", "0"], "--poll-s"),
        ({}, ["--sbatch", "gpu"], "key=value"),
        ({}, ["--json-out", "."], "is a folder"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_before_anything_starts(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    change: dict[str, Any], flags: list[str], message: str,
) -> None:  # fmt: skip
    monkeypatch.setattr(script, "run_here", lambda *a: pytest.fail("started"))
    write(**change)
    assert script.main(["s.json", *flags]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert message in line


def test_a_missing_file_is_one_line(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["none.json"]) == 2
    assert capsys.readouterr().err == "error: cannot read none.json: No such file or directory.\n"


def test_a_stopped_sweep_leaves_the_report_of_a_finished_one(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(script, "run_here", lambda *a: 2)
    write()
    whole = DataReport(**metadata({}), name="sweep", data={"rows": []})
    save("results/sweeps/s.json", whole)
    for flags, place in (
        ([], "sweeps/s/report.json"),
        (["--json-out", "results/sweeps/s.json"], "results/sweeps/s.json"),
    ):
        assert load("results/sweeps/s.json", DataReport) == whole
        assert script.main(["s.json", *flags]) == 130
        assert load(place, DataReport).status == "running" and f"report -> {place}" in capsys.readouterr().out


def test_smoke_is_small_and_elsewhere(script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On this machine, whatever the executor: a page's command for a cluster can be tried anywhere."""
    write(variants={"a": {"gamma": 0.9}})
    assert script.main(["s.json", "--smoke", "--executor", "slurm", "--slots", "2"]) == 0
    assert "a: 1 of 1 seeds finished" in capsys.readouterr().out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["s.json", "tmp"]
    [report] = tmp_path.glob("tmp/sweep-*/s.json")
    [row] = load(report, DataReport).data["rows"]
    assert row["variant"] == "a" and row["success"]["n"] == 2 and row["steps"] < 1000
