"""The doctor: finds what is broken, names the fix, and is not stopped by anything."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from analysis.reports import DataReport, load

ROOT = Path(__file__).resolve().parents[2]
DOCTOR = ROOT / "scripts/doctor.py"
# Put on the path of a Python, this hides every package that is not of the standard library from it and its children.
HIDE = """
import sys
sys.path[:] = [p for p in sys.path if "site-packages" not in p and "dist-packages" not in p]
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in getattr(f, "__module__", "") + str(f).lower()]
"""


@pytest.fixture
def doctor(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("doctor")


def found(doctor: ModuleType, name: str) -> dict[str, str]:
    """Status of the findings of one check, with their text and fix: {"FAIL": "text | fix"}."""
    return {f.status: f"{f.text} | {f.fix}" for f in doctor.examine(name)}


def test_this_machine_trains_and_the_report_says_so(tmp_path: Path) -> None:
    path = tmp_path / "doctor.json"
    command = [sys.executable, DOCTOR, "--json-out", path]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    report = load(path, DataReport)
    assert report.data["trains"] and report.status == "finished"
    for name in report.data["checks"]:
        assert f"  {name} " in done.stdout
    assert {"Python", "packages", "PyTorch", "Fetch tasks", "rendering", "Docker"} <= set(report.data["checks"])


def test_runs_where_no_package_is_installed(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    hidden = [sys.executable, "-c", "import pydantic"]
    assert subprocess.run(hidden, env=environment, capture_output=True, timeout=60).returncode != 0
    command = [sys.executable, DOCTOR, "--json-out", tmp_path / "doctor.json"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    [line] = [line for line in done.stdout.splitlines() if line.startswith("FAIL  packages")]
    assert "mujoco" in line and "stable-baselines3" in line and "pytest" not in line
    assert "No module named 'torch'" in done.stdout and "ok    disk" in done.stdout and "git" in done.stdout
    assert "fix: " in done.stdout and "pydantic" in done.stderr
    assert not (tmp_path / "doctor.json").exists()


@pytest.mark.parametrize(
    ("installed", "status", "words"),
    [
        ({"mujoco": "3.12.0"}, "FAIL", 'mujoco 3.12 and newer | .*pip install "mujoco==3.11.0"'),
        ({"mujoco": "4.0.0"}, "FAIL", 'pip install "mujoco==3.11.0"'),
        ({"mujoco": "3.10.0"}, "warn", "mujoco 3.10.0, tested with ==3.11.0"),
        ({"numpy": "1.25.2"}, "warn", "numpy 1.25.2, tested with >=1.26,<3"),
        ({"tyro": None}, "FAIL", "not installed: tyro"),
        ({"ruff": None}, "warn", "not installed: ruff"),
    ],
)
def test_a_package_that_is_not_the_tested_one(
    doctor: ModuleType, monkeypatch: pytest.MonkeyPatch, installed: dict[str, str | None], status: str, words: str
) -> None:
    import re

    pins = doctor.requirements((ROOT / "requirements.txt").read_text())
    have = {name: pin.split(",")[0].strip("=<>") for name, pin in pins.items()} | installed

    def version(name: str) -> str:
        if have[name] is None:
            raise doctor.importlib.metadata.PackageNotFoundError(name)
        return have[name]

    monkeypatch.setattr("importlib.metadata.version", version)
    findings = found(doctor, "packages")
    assert re.search(words, findings[status]), findings
    assert set(findings) == {status, "ok"}


def test_requirements_are_read_as_pip_reads_them(doctor: ModuleType) -> None:
    text = "# note\nA==1.0  # why\n\nb>=1.26,<3\n-e .\n--find-links x\nc-d_e\n"
    assert doctor.requirements(text) == {"a": "==1.0", "b": ">=1.26,<3", "c-d_e": ""}
    # Every line that names a package is seen in the real file, too.
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    named = [line for line in lines if line.strip() and not line.startswith(("#", "-"))]
    assert len(doctor.requirements("\n".join(lines))) == len(named) > 10


@pytest.mark.parametrize(
    ("version", "wanted", "expected"),
    [
        ("3.11.0", "==3.11.0", True), ("3.11.1", "==3.11.0", False), ("2.13.0+cpu", "==2.13.0", True),
        ("2.4.6", ">=1.26,<3", True), ("1.9", ">=1.26", False), ("3.0.0", "<3", False), ("3", "<=3.0.0", True),
        ("1.0", "", True),
    ],
)  # fmt: skip
def test_versions_are_compared_as_numbers(doctor: ModuleType, version: str, wanted: str, expected: bool) -> None:
    assert doctor.fits(version, wanted) is expected


def test_a_check_that_crashes_does_not_stop_the_others(
    doctor: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def half() -> object:
        yield doctor.Finding("FAIL", "seen before the crash", "mend it")
        raise RuntimeError("boom")

    nan = SimpleNamespace(free=float("nan"))
    monkeypatch.setattr("shutil.disk_usage", lambda path: nan)
    checks = {"half": half, "nan": doctor.check_disk, "last": lambda: doctor.Finding("ok", "still here")}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    assert doctor.main(["--json-out", str(tmp_path / "r.json")]) == 1
    out = capsys.readouterr().out
    assert "seen before the crash" in out and "boom" in out and "still here" in out
    assert "FAIL  nan" in out
    assert load(tmp_path / "r.json", DataReport).status == "failed"


def test_warnings_alone_do_not_fail(doctor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "CHECKS", {"x": lambda: doctor.Finding("warn", "hm", "do this"), "y": lambda: 1 / 0})
    assert doctor.main([]) == 0


@pytest.mark.parametrize(
    ("script", "status", "words"),
    [
        ("exit 0", "ok", "answers"),
        ("echo 'permission denied while trying to connect to unix:///var/run/docker.sock' >&2; exit 1",
         "warn", "sudo usermod -aG docker"),
        ("echo 'Cannot connect to the Docker daemon' >&2; exit 1", "warn", "sudo systemctl start docker"),
        (None, "ok", ".venv-host"),
    ],
)  # fmt: skip
def test_docker(
    doctor: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str | None, status: str, words: str
) -> None:
    monkeypatch.setattr(doctor, "IN_CONTAINER", False)
    if script is not None:
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert words in found(doctor, "Docker")[status]


def test_no_renderer_names_the_libraries(doctor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "try_backend", lambda name: "library not found")
    assert "sudo apt-get install libegl1 libgl1 libosmesa6" in found(doctor, "rendering")["warn"]
    monkeypatch.setattr(doctor, "try_backend", lambda name: None if name == "osmesa" else "library not found")
    monkeypatch.setenv("MUJOCO_GL", "egl")
    findings = found(doctor, "rendering")
    assert "osmesa works" in findings["ok"] and "export MUJOCO_GL=osmesa" in findings["warn"]


def test_fetch_tasks_that_assert_are_the_simulator_too_new(doctor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ask", lambda code: (False, "AssertionError"))
    assert "3.12 and newer" in found(doctor, "Fetch tasks")["FAIL"]
    monkeypatch.setattr(doctor, "ask", lambda code: (False, "ImportError: libGL.so.1"))
    assert "libGL.so.1" in found(doctor, "Fetch tasks")["FAIL"]


def test_a_gpu_that_pytorch_cannot_use(doctor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ask", lambda code: (True, "2.13.0+cpu|"))
    monkeypatch.setattr(doctor, "gpu_name", lambda: "NVIDIA X")
    monkeypatch.setattr(doctor, "IN_CONTAINER", False)
    assert "cannot use NVIDIA X" in found(doctor, "PyTorch")["warn"]
    monkeypatch.setattr(doctor, "gpu_name", lambda: None)
    assert "CPU" in found(doctor, "PyTorch")["ok"]


def test_a_folder_that_cannot_be_written(doctor: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(dir: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert "sudo chown -R" in found(doctor, "folders")["FAIL"]


def test_a_crash_of_the_process_that_tries_is_an_answer(doctor: ModuleType) -> None:
    assert doctor.ask("import os; os.kill(os.getpid(), 11)") == (False, "the process was killed by signal 11")
    assert doctor.ask("raise ValueError('why')") == (False, "ValueError: why")
    assert "no answer" in doctor.ask("import time; time.sleep(9)", seconds=0.2)[1]
