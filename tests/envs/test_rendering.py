"""A backend that works is found, remembered, and asked for once; where none works, nothing breaks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from envs import make, rendering
from envs.rendering import CHOSEN, choose_backend, try_backend


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No choice made yet; whatever a test chooses is undone."""
    for name in (CHOSEN, "MUJOCO_GL", "PYOPENGL_PLATFORM"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Backends that were tried; `working` decides about each."""
    tried: list[str] = []

    def answer(name: str) -> str | None:
        tried.append(name)
        return None if name in working else f"{name} has no library"

    working: set[str] = set()
    monkeypatch.setattr(rendering, "try_backend", answer)
    monkeypatch.setattr(rendering, "working", working, raising=False)
    return tried


@pytest.mark.parametrize(
    ("working", "wanted", "chosen", "order"),
    [
        ({"egl", "osmesa"}, None, "egl", ["egl"]),
        ({"osmesa"}, None, "osmesa", ["egl", "osmesa"]),
        ({"egl", "osmesa"}, "osmesa", "osmesa", ["osmesa"]),
        ({"egl"}, "osmesa", "egl", ["osmesa", "egl"]),
        ({"egl"}, "glfw", "egl", ["egl"]),
        (set(), None, None, ["egl", "osmesa"]),
        (set(), "egl", None, ["egl", "osmesa"]),
    ],
)
def test_the_first_that_works(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], working: set[str], wanted: str | None, chosen: str | None,
    order: list[str],
) -> None:  # fmt: skip
    rendering.working.update(working)
    if wanted:
        monkeypatch.setenv("MUJOCO_GL", wanted)
    backend, reasons = choose_backend()
    assert (backend, asked) == (chosen, order)
    assert reasons == {name: f"{name} has no library" for name in order if name != chosen}
    if chosen:
        assert os.environ["MUJOCO_GL"] == os.environ["PYOPENGL_PLATFORM"] == chosen
    # Once is enough, for child processes too.
    assert choose_backend()[0] == chosen
    assert asked == order


def test_a_backend_that_does_not_exist() -> None:
    reason = try_backend("no-such-backend")
    assert reason and "\n" not in reason and "no-such-backend" in reason


def test_a_probe_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    run = rendering.subprocess.run

    def impatient(*arguments: object, **options: object) -> object:
        return run(*arguments, **(options | {"timeout": 0.2}))

    monkeypatch.setattr(rendering, "PROBE", "import time; time.sleep(30)")
    monkeypatch.setattr(rendering.subprocess, "run", impatient)
    assert try_backend("egl") == "no answer within 60 s"


def test_a_probe_that_takes_its_process_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "PROBE", "import os; os.abort()")
    assert try_backend("egl") == "exit status -6"


def test_an_import_that_fails_is_tried_with_another_backend(
    monkeypatch: pytest.MonkeyPatch, asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # gymnasium_robotics as it behaves where MuJoCo cannot load the backend that it was told to use.
    (tmp_path / "gymnasium_robotics.py").write_text(
        "import os\nif os.environ.get('MUJOCO_GL') == 'egl':\n    raise AttributeError('no eglQueryString')\n"
        "def register_robotics_envs():\n    pass\n"
    )
    rendering.working.add("osmesa")
    monkeypatch.setenv("MUJOCO_GL", "egl")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "gymnasium_robotics", raising=False)
    monkeypatch.setattr(make, "choose_backend", choose_backend)
    make.register.__wrapped__()
    assert capsys.readouterr().err == "MUJOCO_GL=egl does not work here; going on with osmesa\n"
    # Another failure is none of the backend's.
    monkeypatch.delitem(sys.modules, "gymnasium_robotics", raising=False)
    (tmp_path / "gymnasium_robotics.py").write_text("raise ImportError('broken')\n")
    monkeypatch.delenv("MUJOCO_GL")
    with pytest.raises(ImportError, match="broken"):
        make.register.__wrapped__()
    monkeypatch.delitem(sys.modules, "gymnasium_robotics", raising=False)
