"""Chapter 00: the chain runs whole, stops where something is broken, and finds what it is there to find."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from chapter import _Mode
from PIL import Image

from analysis.reports import DataReport, load
from common.cli import subcommands
from common.errors import TrainingFailure, UserError

ROOT = Path(__file__).resolve().parents[2]
SMOKE = _Mode(smoke=True)


@pytest.fixture
def ch00(load_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, in an empty folder, with a smoke folder in it."""
    monkeypatch.chdir(tmp_path)
    script = load_script("ch00_proof_of_life")
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path / "smoke"))
    return script


def test_all_runs_whole_and_leaves_nothing_in_the_folder(tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "scripts/ch00_proof_of_life.py", "all", "--smoke", "--json-out", "results/x.json"]
    folder, temporary = tmp_path / "cwd", tmp_path / "tmp"
    folder.mkdir()
    temporary.mkdir()
    environment = os.environ | {"PYTHONWARNINGS": "error", "TMPDIR": str(temporary)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(folder.iterdir())
    [smoke] = temporary.glob("ch00-*")
    report = load(smoke / "x.json", DataReport)
    outcomes = {name: row["outcome"] for name, row in report.data["steps"].items()}
    assert list(outcomes) == ["gpu-check", "list-envs", "render", "ppo-smoke"]
    assert outcomes.pop("render") in ("ok", "skipped") and set(outcomes.values()) == {"ok"}
    if (smoke / "smoke_frame.png").exists():
        assert np.asarray(Image.open(smoke / "smoke_frame.png")).std() > 5
    assert (smoke / "ppo_smoke.zip").exists()
    assert done.stdout.rstrip().splitlines()[-1].strip() == "bash docker/dev.sh python scripts/ch01_env_anatomy.py all"


def test_a_step_that_fails_stops_the_chain_with_its_status(ch00: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def step(name: str, status: int = 0) -> Callable[..., int]:
        def run(mode: object) -> int:
            ran.append(name)
            return status

        return run

    steps = {"gpu-check": step("gpu-check"), "list-envs": step("list-envs", 5), "render": step("render")}
    monkeypatch.setattr(ch00, "STEPS", steps)
    assert ch00.everything(json_out="r.json") == 5
    assert ran == ["gpu-check", "list-envs"]
    report = load("r.json", DataReport)
    assert report.status == "failed" and report.data["steps"]["list-envs"]["outcome"] == "failed"


class StubEnv:
    """An environment that shows one picture."""

    def __init__(self, frame: np.ndarray, observation: dict[str, Any] | None = None):
        self.frame, self.observation = frame, observation

    def reset(self, seed: int) -> tuple[Any, dict[str, Any]]:
        """The observation it was given."""
        return self.observation, {}

    def render(self) -> np.ndarray:
        """The picture it was given."""
        return self.frame

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize("grey", [0, 128, 255])
def test_a_blank_picture_is_no_picture(ch00: ModuleType, monkeypatch: pytest.MonkeyPatch, grey: int) -> None:
    monkeypatch.setattr(ch00, "backend", lambda: ("egl", {}))
    monkeypatch.setattr("envs.make.make_env", lambda *a, **k: StubEnv(np.full((48, 48, 3), grey, np.uint8)))
    with pytest.raises(TrainingFailure, match="blank picture; try MUJOCO_GL=osmesa"):
        ch00.render(out="frame.png")
    assert not Path("frame.png").exists()


def test_a_picture_is_written_as_it_was_rendered(ch00: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    monkeypatch.setattr(ch00, "backend", lambda: ("osmesa", {}))
    monkeypatch.setattr("envs.make.make_env", lambda *a, **k: StubEnv(frame))
    facts = ch00.render(out="deep/frame.png")
    assert facts["backend"] == "osmesa" and (facts["width"], facts["height"]) == (60, 40)
    assert (np.asarray(Image.open("deep/frame.png")) == frame).all()


def test_no_renderer_fails_alone_and_is_skipped_in_the_chain(
    ch00: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("envs.rendering.try_backend", lambda name: f"no {name} library")
    for name in ("ROBOTICS_RL_RENDERING", "MUJOCO_GL", "PYOPENGL_PLATFORM"):
        monkeypatch.setenv(name, "")
    assert subcommands(ch00.STEPS, "ch00", argv=["render"]) == 1
    assert "osmesa: no osmesa library" in capsys.readouterr().err
    monkeypatch.setattr(ch00, "STEPS", {"render": ch00.STEPS["render"], "ppo-smoke": lambda mode: {"steps": 1}})
    assert ch00.everything(json_out="r.json") == 0
    streams = capsys.readouterr()
    assert streams.err.count("skipped: no EGL") == 1 and "next:" in streams.out
    assert os.environ["MUJOCO_GL"] == "disabled"
    assert load("r.json", DataReport).data["steps"]["ppo-smoke"]["outcome"] == "ok"


def test_an_observation_without_a_goal_is_found(ch00: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ch00, "backend", lambda: (None, {}))
    observation = {"observation": np.zeros(10), "achieved_goal": np.zeros(3)}
    monkeypatch.setattr("envs.make.make_env", lambda *a, **k: StubEnv(np.zeros(1), observation))
    with pytest.raises(TrainingFailure, match="desired_goal"):
        ch00.list_envs()


def test_a_simulator_that_breaks_is_one_line_with_advice(
    ch00: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a mujoco too new for the Fetch tasks looks like."""

    def broken(*arguments: Any, **options: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(ch00, "backend", lambda: (None, {}))
    monkeypatch.setattr("envs.make.make_env", broken)
    assert subcommands(ch00.STEPS, "ch00", argv=["list-envs"]) == 1
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1 and "AssertionError" in error and "doctor.py" in error


def test_a_machine_without_a_gpu_passes_and_says_so(
    ch00: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("common.provenance.gpu_name", lambda: None)
    assert ch00.gpu_check()["device"] == "cpu"
    assert capsys.readouterr().out.count("no GPU here") == 1
    monkeypatch.setattr("common.provenance.gpu_name", lambda: "NVIDIA X")
    ch00.gpu_check()
    assert "NVIDIA X is here, but PyTorch cannot use it" in capsys.readouterr().out


def test_training_again_replaces_its_own_check_and_nothing_else(ch00: ModuleType) -> None:
    for _ in range(2):
        assert ch00.ppo_smoke(mode=SMOKE)["steps"] > 0
    for suffix in (".zip", ".meta.json"):
        shutil.copy(ch00.chapter.smoke_folder / f"ppo_smoke{suffix}", ch00.chapter.smoke_folder / f"mine{suffix}")
    with pytest.raises(UserError, match="--overwrite"):
        ch00.ppo_smoke(out="mine", mode=SMOKE)


def test_a_checkpoint_that_holds_another_policy_is_found(ch00: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import train

    def swapped(config: Any) -> Any:
        return original(config).model_copy(update={"weights_sha256": "0" * 64})

    original = train.run
    monkeypatch.setattr(train, "run", swapped)
    with pytest.raises(TrainingFailure, match="does not hold the policy"):
        ch00.ppo_smoke(mode=SMOKE)


def test_an_interrupted_training_is_no_success(ch00: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.run", lambda config: SimpleNamespace(status="interrupted"))
    assert subcommands(ch00.STEPS, "ch00", argv=["ppo-smoke", "--smoke"]) == 130
