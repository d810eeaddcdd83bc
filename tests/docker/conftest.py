"""A small project with the real scripts of docker/ and tiny requirements, for a real setup in seconds, offline."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# What would lead the scripts elsewhere: the environment the tests themselves run in, and choices of the machine.
FOREIGN = ("VIRTUAL_ENV", "ROBOTICS_RL_CONTAINER", "MUJOCO_GL", "PYOPENGL_PLATFORM", "PYTHON", "IMAGE", "BASE_IMAGE")


def write_wheel(folder: Path, version: str) -> None:
    """Writes the wheel of a package `tiny`, with one module that knows its version."""
    folder.mkdir(exist_ok=True)
    info = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(folder / f"tiny-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny.py", f"version = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", f"tiny.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


class Project:
    """A copy of docker/ in a folder of its own, with commands first on the PATH that a test may replace."""

    def __init__(self, root: Path):
        """Makes the project in `root`, which must not exist."""
        self.root, self.stubs = root, root.parent / "stubs"
        root.mkdir(parents=True)
        self.stubs.mkdir()
        shutil.copytree(ROOT / "docker", root / "docker")
        for version in ("1.0", "2.0"):
            write_wheel(root / "wheels", version)
        self.require("1.0")
        # No test may install system packages on the machine that runs it.
        self.stub("apt-get", "exit 1")

    def require(self, version: str) -> None:
        """Asks for one version of the tiny package."""
        (self.root / "requirements.txt").write_text(f"--no-index\n--find-links wheels\ntiny=={version}\n")

    def stub(self, name: str, script: str) -> None:
        """Puts a command in front of the machine's own."""
        path = self.stubs / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        """The variables for a call: this process' without what would lead it astray, the stubs first on the PATH."""
        kept = {name: value for name, value in os.environ.items() if name not in FOREIGN}
        own = kept.get("PATH", os.defpath).split(os.pathsep)
        path = os.pathsep.join([str(self.stubs), *(part for part in own if ".venv" not in part)])
        return {**kept, "PATH": path, **more}

    def start(self, *command: str, script: str = "dev.sh", env: dict[str, str] | None = None, **options):
        """Starts docker/`script` from another folder, so that nothing depends on the current one."""
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen(
            ["bash", str(self.root / "docker" / script), *command],
            **{**pipes, "cwd": "/", "text": True, "env": self.environment(**(env or {})), **options},
        )

    def run(self, *command: str, input: str = "", **options) -> subprocess.CompletedProcess:
        """Runs docker/dev.sh to its end."""
        with self.start(*command, **options) as process:
            try:
                out, err = process.communicate(input, timeout=300)
            finally:
                process.kill()
        return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.fixture(scope="session")
def make_project(tmp_path_factory):
    """Makes projects, each in a folder whose name has a space."""
    return lambda root=None: Project(root or tmp_path_factory.mktemp("docker") / "robot lab")


# A command that says when it is ready, and on a signal saves and leaves with its own exit code.
SAVES_ON_SIGNAL = """
import pathlib, signal, sys, time
def save(number, frame):
    pathlib.Path("saved").write_text(str(number))
    sys.exit(33)
signal.signal(signal.SIGINT, save)
signal.signal(signal.SIGTERM, save)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def saves_on_signal() -> str:
    """The code of that command."""
    return SAVES_ON_SIGNAL
