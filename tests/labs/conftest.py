"""Labs are no package, and nothing imports them: a test loads the one it is about from its file."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

LABS = Path(__file__).resolve().parents[2] / "scripts/labs"


@pytest.fixture
def load_lab(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """`load_lab("bit_flip")`: a fresh module of scripts/labs/bit_flip.py, forgotten after the test."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, LABS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        # Dataclasses look their module up by name.
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    return load
