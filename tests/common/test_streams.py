"""Output that cannot be written: the work goes on, and nobody gets a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from common.cli import guarded

def work():
    for number in range(200):
        print("±", number, "x" * 1000, flush=True)
    open("done", "w").close()

sys.exit(guarded(work))
"""


def run(folder: Path, redirection: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(PROGRAM)
    line = f"{sys.executable} program.py {redirection}"
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"], cwd=folder, capture_output=True, text=True, timeout=60,
        env=os.environ | environment,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("redirection", "status"),
    [("| head -1", 0), (">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), ("<&- >&- 2>&-", 0), (">/dev/full", 2)],
)
def test_the_work_is_done(tmp_path: Path, redirection: str, status: int) -> None:
    done = run(tmp_path, redirection)
    assert done.returncode == status, done.stderr
    assert (tmp_path / "done").exists()
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    if status:
        assert done.stderr == (
            "error: standard output: No space left on device; what should have been printed is lost.\n"
        )
    else:
        assert done.stderr == ""


@pytest.mark.parametrize(
    "line", ["train.py --help >&-", "eval.py --help | head -1", "scripts/doctor.py --help >&- 2>&-"]
)
def test_help_that_nobody_can_read_is_no_failure(line: str) -> None:
    words = ["bash", "-c", f"set -o pipefail; {sys.executable} {line}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
    ids=str,
)
def test_a_narrow_terminal_is_shown_what_it_can_show(tmp_path: Path, environment: dict[str, str]) -> None:
    done = run(tmp_path, "| cut -c1-3 | head -1 | od -c -An", **environment)
    assert done.returncode == 0 and done.stderr == ""
    assert (tmp_path / "done").exists()
    shown = done.stdout.split()
    assert shown[:3] == ["+", "/", "-"] or shown[0] == "261"


def test_what_a_closed_standard_output_would_have_shown_is_in_no_file(tmp_path: Path) -> None:
    # Without a standard output the first file that is opened gets its number.
    program = PROGRAM.replace("for number", "file = open('mine', 'w')\n    for number")
    (tmp_path / "p.py").write_text(program)
    subprocess.run(["bash", "-c", f"{sys.executable} p.py >&- 2>&-"], cwd=tmp_path, check=True, timeout=60)
    assert (tmp_path / "mine").read_text() == ""
