"""The container for real: docker/dev.sh, run.sh and build.sh against a Docker engine, with tiny requirements.

pytest -m docker
BASE_IMAGE=my/pytorch:cpu pytest -m docker      # builds the image where there is none, on this base

One test, the proof of life, installs the real requirements into the checkout's own .venv.
"""

import os
import pty
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.docker

ROOT = Path(__file__).parents[2]
IMAGE = os.environ.get("IMAGE", "robotics-rl:latest")
SOCKET = Path("/var/run/docker.sock")
TINY = ("--container", "python", "-c", "import tiny; print(tiny.version)")


def answers(*command: str) -> bool:
    """Whether a command can be run and succeeds."""
    if not shutil.which(command[0]):
        return False
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


@pytest.fixture(scope="session")
def image(request) -> str:
    """The project's image, built on a base that is here already; nothing is downloaded for a test."""
    # Plain `pytest` does the same on every machine, whatever engine happens to run on it.
    if "docker" not in request.config.getoption("markexpr"):
        pytest.skip("the container is tested with: pytest -m docker")
    if not answers("docker", "info"):
        pytest.skip("no Docker engine answers")
    base = os.environ.get("BASE_IMAGE") or default_base()
    if not answers("docker", "image", "inspect", IMAGE):
        if not answers("docker", "image", "inspect", base):
            pytest.skip(f"neither {IMAGE} nor its base {base} is here; BASE_IMAGE names another")
        subprocess.run(["bash", ROOT / "docker/build.sh", IMAGE], check=True)
    return IMAGE


def default_base() -> str:
    """The base image that the Dockerfile names."""
    lines = (ROOT / "docker/Dockerfile").read_text().splitlines()
    return next(line.split("=", 1)[1] for line in lines if line.startswith("ARG BASE_IMAGE="))


@pytest.fixture
def port() -> str:
    """A port of this machine that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


class Lab:
    """A project, and who uses it."""

    def __init__(self, project, image: str, who: dict):
        """Takes the options for subprocess that say who runs the scripts."""
        self.project, self.root, self.who, self.image = project, project.root, who, image
        self.home = {"HOME": str(self.root.parent), "TMPDIR": str(self.root.parent)} if who else {}

    def options(self, env: dict | None) -> dict:
        """The options for a call."""
        return {"env": {"IMAGE": self.image, **self.home, **(env or {})}, **self.who}

    def run(self, *command: str, env: dict | None = None, **options) -> subprocess.CompletedProcess:
        """Runs one of the scripts to its end."""
        return self.project.run(*command, **self.options(env), **options)

    def start(self, *command: str, env: dict | None = None):
        """Starts one of the scripts."""
        return self.project.start(*command, **self.options(env))


@pytest.fixture(scope="session", params=["own", "other"])
def lab(request, image, make_project):
    """A project with its environment, as the user that runs the tests and, where that is root, as another."""
    if request.param == "own":
        yield Lab(make_project(), image, {})
        return
    if os.geteuid() != 0:
        pytest.skip("only root can run commands as another user")
    if not SOCKET.exists():
        pytest.skip(f"the engine's socket is not {SOCKET}")
    # pytest's own temporary folders are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "robot lab")
        group = SOCKET.stat().st_gid
        for path in (Path(folder), *Path(folder).rglob("*")):
            os.chown(path, 12345, 12345)
        yield Lab(project, image, {"user": 12345, "group": 12345, "extra_groups": [group]})


def test_environment_inherits_torch_and_is_made_once(lab):
    """The image's torch, the project's packages, the user's files, and a second call that installs nothing."""
    shutil.rmtree(lab.root / ".venv", ignore_errors=True)
    lab.project.require("1.0")
    first = lab.run(*TINY)
    assert (first.returncode, first.stdout) == (0, "1.0\n"), first.stderr
    assert "making .venv with" in first.stderr
    assert (lab.root / ".venv").stat().st_uid == lab.who.get("user", os.geteuid())
    code = "import os, getpass, torch; print(torch.__file__, os.environ['HOME'], os.getcwd(), getpass.getuser())"
    done = lab.run("--container", "python", "-c", code + "; open(os.path.expanduser('~/note'), 'w')")
    assert done.returncode == 0 and "installing" not in done.stderr, done.stderr
    torch, home, folder, user = done.stdout.split()
    assert not torch.startswith("/workspace") and folder == "/workspace" and home.startswith("/workspace/.venv")
    assert user


def test_hash_decides_about_installing(lab):
    """A corrupt hash and a changed pin install again; calls at once install once."""
    lab.run(*TINY)
    (lab.root / ".venv/.requirements_hash").write_text("garbage")
    lab.project.require("2.0")
    done = []
    threads = [threading.Thread(target=lambda: done.append(lab.run(*TINY))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [call.stdout for call in done] == ["2.0\n", "2.0\n"], [call.stderr for call in done]
    assert sum("installing" in call.stderr for call in done) == 1
    lab.project.require("1.0")
    assert lab.run(*TINY).stdout == "1.0\n"


def test_command_is_run_as_it_was_given(lab):
    """Arguments, stdin and exit code are the command's own, and stdout has nothing else."""
    code = "import sys; print(sys.argv[1:], sys.stdin.read()); sys.exit(7)"
    done = lab.run("--container", "python", "-c", code, "a b", "", "$HOME", input="piped")
    assert (done.returncode, done.stdout) == (7, "['a b', '', '$HOME'] piped\n")
    assert lab.run("--container", "no-such-command").returncode == 127
    shell = lab.run("--container", input="echo $MUJOCO_GL $VIRTUAL_ENV; exit 5\n")
    assert (shell.returncode, shell.stdout) == (5, "egl /workspace/.venv\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_command(lab, number, saves_on_signal):
    """Whoever signals dev.sh gives the command the time to save."""
    with lab.start("--container", "python", "-c", saves_on_signal) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(30) == 33
    assert (lab.root / "saved").read_text() == str(int(number))


def test_terminal_is_passed_on(lab, saves_on_signal):
    """With a terminal the command has one, and Ctrl-C interrupts it."""
    keyboard, terminal = pty.openpty()
    code = f"import sys; assert sys.stdin.isatty() and sys.stdout.isatty()\n{saves_on_signal}"
    ends = dict.fromkeys(("stdin", "stdout", "stderr"), terminal)
    with lab.project.start("--container", "python", "-c", code, **ends, **lab.options(None)) as process:
        os.close(terminal)
        seen = b""
        while b"ready" not in seen:
            seen += os.read(keyboard, 1024)
        os.write(keyboard, b"\x03")
        assert process.wait(30) == 33
    os.close(keyboard)


def test_git_names_the_commit(lab):
    """In a checkout that belongs to somebody else, and in a linked worktree."""
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    git = [*(["setpriv", "--reuid=12345", "--regid=12345", "--clear-groups"] if lab.who else []), *git]
    other = lab.root.parent / "linked lab"
    if not (lab.root / ".git").exists():
        subprocess.run([*git, "init", "-q"], cwd=lab.root, check=True)
        subprocess.run([*git, "add", "docker", "requirements.txt", "wheels"], cwd=lab.root, check=True)
        subprocess.run([*git, "commit", "-q", "-m", "first"], cwd=lab.root, check=True)
        subprocess.run([*git, "worktree", "add", "-q", "-b", "linked", other], cwd=lab.root, check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], cwd=lab.root, check=True, capture_output=True, text=True).stdout
    done = lab.run("git", "rev-parse", "HEAD", script="run.sh")
    assert done.stdout == head, done.stderr
    # Only who may read the history's folder knows on the host where it is.
    if not lab.who:
        script = [str(other / "docker/run.sh"), "git", "rev-parse", "HEAD"]
        environment = lab.project.environment(IMAGE=lab.image)
        linked = subprocess.run(["bash", *script], env=environment, capture_output=True, text=True, input="")
        assert linked.stdout == head, linked.stderr


def test_port_is_published_and_may_be_busy(lab, port):
    """TensorBoard is reachable from this machine; the container beside it goes without."""
    serve = "import http.server as h; h.HTTPServer(('0.0.0.0', 6006), h.BaseHTTPRequestHandler).handle_request()"
    with lab.start("--container", "python", "-c", serve, env={"TENSORBOARD_PORT": port}) as first:
        answer = b""
        for _ in range(100):
            try:
                with socket.create_connection(("127.0.0.1", int(port)), timeout=5) as client:
                    beside = lab.run("--container", "true", env={"TENSORBOARD_PORT": port})
                    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    answer = client.recv(1024)
            except OSError:
                pass
            if answer:
                break
            time.sleep(0.1)
        assert answer.startswith(b"HTTP/1.0 501")
        assert first.wait(30) == 0
    assert beside.returncode == 0 and f"port {port} is in use" in beside.stderr


def test_run_sh_has_no_environment(lab):
    """The same container, as the image is."""
    done = lab.run("sh", "-c", "echo ${VIRTUAL_ENV:-none} $MUJOCO_GL; id -u; exit 3", script="run.sh")
    assert done.stdout == f"none egl\n{lab.who.get('user', os.geteuid())}\n"
    assert done.returncode == 3
    missing = lab.run("true", script="run.sh", env={"IMAGE": "no/such-image:1"})
    assert missing.returncode == 1 and "docker/build.sh" in missing.stderr


def test_failed_build_falls_back_to_the_base(image, make_project):
    """The base serves, with a warning; a call inside of the container stays there."""
    project = make_project()
    recipe = project.root / "docker/Dockerfile"
    recipe.write_text(recipe.read_text().replace("USER root", "RUN false"))
    # A failed step leaves its container behind unless the engine is told otherwise.
    env = {"IMAGE": "robotics-rl:never-built", "BASE_IMAGE": image, "DOCKER_BUILD_ARGS": "--force-rm"}
    done = project.run("--container", "bash", "docker/dev.sh", "python", "-c", "import tiny, torch", env=env)
    assert done.returncode == 0, done.stderr
    assert "WARNING" in done.stderr and image in done.stderr
    assert not answers("docker", "image", "inspect", "robotics-rl:never-built")
    gone = project.run("--container", "true", env={**env, "BASE_IMAGE": "localhost:1/no/base:1"})
    assert gone.returncode == 1 and "neither" in gone.stderr.splitlines()[-1]


def test_proof_of_life(image):
    """Chapter 0 in the container, with everything that the project requires."""
    command = ["bash", "docker/dev.sh", "--container", "python", "scripts/ch00_proof_of_life.py", "all", "--smoke"]
    # The renderer that suits this machine's own libraries says nothing about the container's.
    env = {name: value for name, value in os.environ.items() if name not in ("MUJOCO_GL", "PYOPENGL_PLATFORM")}
    env["IMAGE"] = image
    done = subprocess.run(command, cwd=ROOT, env=env, input="", capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stdout + done.stderr
