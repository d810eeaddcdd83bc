"""Scripts are no package: a test loads the one it is about from its file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


@pytest.fixture
def load_script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """`load_script("doctor")`: a fresh module of scripts/doctor.py, forgotten after the test."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        # Dataclasses look their module up by name; a script may put folders on the path.
        monkeypatch.setitem(sys.modules, name, module)
        monkeypatch.setattr(sys, "path", list(sys.path))
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture
def script(
    request: pytest.FixtureRequest, load_script: Callable[[str], ModuleType], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> ModuleType:  # fmt: skip
    """The script that the test's module names in `SCRIPT`, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return load_script(request.module.SCRIPT)
