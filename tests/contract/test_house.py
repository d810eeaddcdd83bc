"""Repository layout: which folder may use which, what a file may weigh, and what an import may cost."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FLOORS = {"common": 0, "analysis": 1, "wrappers": 2, "agents": 3, "envs": 3, "configs": 4, "persistence": 5,
          "callbacks": 5, "evaluation": 5, "jobs": 5, "training": 6, "train": 7, "eval": 7, "scripts": 8}  # fmt: skip
HEAVY = {"torch", "stable_baselines3", "mujoco", "gymnasium", "gymnasium_robotics"}
FILES = sorted(
    path
    for name in FLOORS
    for path in ([ROOT / f"{name}.py"] if name in ("train", "eval") else (ROOT / name).rglob("*.py"))
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that the file imports anywhere, top to bottom, functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import hides its floor"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def room(path: Path) -> str:
    """The folder or top-level module that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_folder_uses_only_what_is_below_it(path: Path) -> None:
    own = room(path)
    for module in imports(path):
        used = module.split(".")[0]
        assert used != "scripts" or own == "scripts", f"{name(path)} imports a script"
        assert used != "tests", f"{name(path)} imports a test"
        if used in FLOORS and used != own:
            assert FLOORS[used] < FLOORS[own], f"{name(path)} (floor {FLOORS[own]}) imports {module}"


@pytest.mark.parametrize("path", [p for p in FILES if room(p) == "analysis"], ids=name)
def test_analysis_imports_no_simulator_and_no_learner(path: Path) -> None:
    assert not {module.split(".")[0] for module in imports(path)} & HEAVY


def test_labs_are_imported_by_nobody() -> None:
    for path in FILES:
        assert not [m for m in imports(path) if m.startswith(("scripts.labs", "labs"))], name(path)


def test_the_check_of_floors_sees_what_it_should(tmp_path: Path) -> None:
    file = tmp_path / "x.py"
    file.write_text("import os.path\ndef f():\n    from envs.make import make_env\n    import train\n")
    assert imports(file) == {"os.path", "envs.make.make_env", "train"}


@pytest.mark.parametrize("path", [p for p in FILES + TESTS if p.stat().st_size], ids=name)
def test_a_file_is_readable_in_one_sitting(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 400, f"{name(path)} has {lines} lines: one idea a file"
    assert lines >= 15, f"{name(path)} has {lines} lines: does it need a file of its own?"
    if path.parent == ROOT / "scripts" and re.match(r"ch[0-9][0-9]_", path.name):
        assert lines <= 200, f"{name(path)} has {lines} lines: a chapter script calls, it does not compute"


@pytest.mark.parametrize("path", [p for p in FILES if p.stat().st_size], ids=name)
def test_a_file_says_what_it_is(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree), f"{name(path)} has no docstring"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_") and node in tree.body:
            assert ast.get_docstring(node), f"{name(path)}: {node.name} has no docstring"


@pytest.mark.parametrize("module", ["train", "eval", "configs.recipes", "common.cli", "analysis.reports"])
def test_an_import_is_light(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {sorted(HEAVY)!r} if m in sys.modules])"
    line = [sys.executable, "-c", code]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
