"""The snapshot of a machine: complete, readable, and quick where there is no GPU."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy
import pytest

from analysis.reports import VersionsReport, load

ROOT = Path(__file__).resolve().parents[2]


def test_report_and_table_agree(
    load_script: Callable[[str], ModuleType], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert load_script("print_versions").main(["--json-out", str(tmp_path / "versions.json")]) == 0
    report = load(tmp_path / "versions.json", VersionsReport)
    assert report.versions["numpy"] == report.packages["numpy"] == numpy.__version__
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert rows["numpy"] == numpy.__version__
    assert rows["python"] == ".".join(map(str, sys.version_info[:3]))


def test_torch_is_not_imported_without_a_gpu() -> None:
    code = (
        "import sys; sys.path.insert(0, 'scripts')\n"
        "from common import provenance; provenance.gpu_name = lambda: None\n"
        "import print_versions; assert print_versions.main([]) == 0; assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_cuda_is_named_where_there_is_a_gpu(
    load_script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = load_script("print_versions")
    monkeypatch.setattr("common.provenance.gpu_name", lambda: "NVIDIA X")
    monkeypatch.setattr(script, "cuda_facts", lambda: {"cuda": "13.0", "cudnn": "91000"})
    report = script.snapshot()
    assert report.versions["cuda"] == "13.0" and report.device == "cuda"
    assert "13.0" in script.table(report)


def test_a_package_that_is_missing_is_named(
    load_script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    script = load_script("print_versions")
    monkeypatch.setattr("common.provenance.versions", lambda: {"python": "3.11.7", "mujoco": None})
    assert "not installed" in script.table(script.snapshot())
