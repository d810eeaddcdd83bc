"""docker/dev.sh without an engine, and what it asks of one: real setups with tiny requirements, and a stub for docker.

pytest tests/docker/test_dev_host.py
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HASH = ".venv-host/.requirements_hash"
TINY = ("--host", "python", "-c", "import tiny; print(tiny.version)")


def seed_environment(project) -> Path:
    """Makes a whole environment in a moment: pip, which takes most of the time, comes from the Python below it."""
    venv = project.root / ".venv-host"
    command = [sys.executable, "-m", "venv", "--without-pip", "--system-site-packages", venv]
    subprocess.run(command, check=True)
    return venv


@pytest.fixture(scope="session")
def ready(make_project):
    """A project that is set up; tests leave it working."""
    project = make_project()
    seed_environment(project)
    assert project.run(*TINY).stdout == "1.0\n"
    return project


@pytest.fixture(scope="session")
def bare(make_project):
    """A project for tests that never get as far as an environment."""
    return make_project()


def test_first_call_sets_everything_up(make_project):
    """A line for each phase on stderr, the command's own output on stdout, and an environment that stands alone."""
    project = make_project()
    first = project.run(*TINY)
    assert (first.returncode, first.stdout) == (0, "1.0\n"), first.stderr
    assert [line.split()[1] for line in first.stderr.splitlines()][:2] == ["making", "installing"]
    assert {".requirements_hash", "setup.log"} <= {path.name for path in (project.root / ".venv-host").iterdir()}
    assert not (project.root / ".venv").exists()


def test_command_is_run_as_it_was_given(ready):
    """Arguments, stdin, folder and exit code are the command's own, and nothing else is said."""
    code = "import os, sys; print(sys.argv[1:], os.getcwd(), sys.stdin.read()); sys.exit(7)"
    done = ready.run("--host", "python", "-c", code, "a b", "", "$HOME", "'q'", input="piped")
    assert done.returncode == 7
    assert done.stdout == f"{['a b', '', '$HOME', chr(39) + 'q' + chr(39)]} {ready.root} piped\n"
    assert done.stderr == ""


def test_no_command_is_a_shell(ready):
    """A shell reads its commands from stdin, with the environment active."""
    done = ready.run("--host", input="command -v python; exit 5\n")
    assert (done.returncode, done.stdout) == (5, f"{ready.root}/.venv-host/bin/python\n")


def test_unknown_command_and_option(ready):
    """Both are one line, and the exit codes of a shell."""
    assert ready.run("--host", "no-such-command").returncode == 127
    done = ready.run("--hots", "true")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1 and "--hots" in done.stderr


def test_cdpath_and_a_relative_call(ready):
    """With CDPATH, cd prints where it went; a call from the project's own folder is where that happens."""
    line = [shutil.which("bash"), "docker/dev.sh", "--host", "sh", "-c", "pwd; echo $CDPATH"]
    environment = ready.environment(CDPATH=f".:{ready.root}:/")
    done = subprocess.run(line, cwd=ready.root, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [str(ready.root), f".:{ready.root}:/"]


def test_a_call_through_a_symbolic_link(ready, tmp_path):
    for script in ("dev.sh", "build.sh", "run.sh"):
        (tmp_path / script).symlink_to(ready.root / "docker" / script)
        done = subprocess.run(["bash", tmp_path / script, "--help"], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == "" and f"bash docker/{script}" in done.stdout
    line = ["bash", tmp_path / "dev.sh", "--host", "pwd"]
    done = subprocess.run(line, cwd=tmp_path, env=ready.environment(), capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{ready.root}\n", done.stderr


def test_second_call_is_quick(ready):
    """Nothing is installed again. The bar is generous, because other tests share the machine."""
    ready.run(*TINY)
    log = (ready.root / ".venv-host/setup.log").stat().st_mtime_ns
    took = []
    for _ in range(3):
        start = time.monotonic()
        assert ready.run("--host", "true").stderr == ""
        took.append(time.monotonic() - start)
    assert (ready.root / ".venv-host/setup.log").stat().st_mtime_ns == log
    assert min(took) < 1.0


@pytest.mark.parametrize("damage", ["corrupt", "missing", "requirements", "pyproject"])
def test_hash_decides_about_installing(ready, damage):
    """What is unknown or changed is installed again, once, and the hash is right afterwards."""
    ready.require("1.0")
    assert ready.run(*TINY).stdout == "1.0\n"
    expected, before = "1.0\n", (ready.root / HASH).read_text()
    if damage == "corrupt":
        (ready.root / HASH).write_text("not a hash")
    elif damage == "missing":
        (ready.root / HASH).unlink()
    elif damage == "requirements":
        ready.require("2.0")
        expected = "2.0\n"
    else:
        (ready.root / "pyproject.toml").write_text(f"# {time.time()}\n")
    done = ready.run(*TINY)
    assert done.stdout == expected
    assert "installing" in done.stderr and "making" not in done.stderr
    assert re.fullmatch(r"[0-9a-f]{64}\n", (ready.root / HASH).read_text())
    assert ((ready.root / HASH).read_text() == before) == (damage in ("corrupt", "missing"))
    assert ready.run(*TINY).stderr == ""


def test_failed_installation_is_not_taken_for_a_good_one(ready):
    """The end of pip's log is shown, no hash is written, and the next call tries again."""
    ready.require("9.9")
    failed = ready.run(*TINY)
    assert failed.returncode == 1 and failed.stdout == ""
    assert "tiny==9.9" in failed.stderr and "setup.log" in failed.stderr
    assert not (ready.root / HASH).exists()
    ready.require("1.0")
    assert ready.run(*TINY).stdout == "1.0\n"


def test_calls_at_once_install_once(ready):
    """The second waits for the first and finds everything done."""
    (ready.root / HASH).unlink(missing_ok=True)
    done = []
    threads = [threading.Thread(target=lambda: done.append(ready.run(*TINY))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [call.returncode for call in done] == [0, 0, 0]
    assert sum("installing" in call.stderr for call in done) == 1


def test_killed_setup_is_begun_again(make_project):
    """Half an installation can look whole to pip: nothing of it is kept, and a second kill is remembered as well."""
    project = make_project()
    venv = seed_environment(project)
    (venv / ".installing").touch()
    (venv / "remains").touch()
    with project.start("--host", "true", start_new_session=True) as process:
        assert "making .venv-host" in process.stderr.readline()
        deadline = time.monotonic() + 20
        while (venv / "remains").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (venv / "remains").exists()
    assert (venv / ".installing").exists() and not (venv / ".requirements_hash").exists()


def test_what_counts_as_a_whole_environment(bare):
    """One that lost its Python, whose Python is another version by now, or that came from elsewhere does not."""
    venv = bare.root / "an env"
    # Without pip, because that takes most of the time; the answer does not depend on it.
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    check = ["bash", "-c", "source docker/common.sh; venv=$1; venv_whole", "bash", venv]

    def whole() -> bool:
        return subprocess.run(check, cwd=bare.root).returncode == 0

    config = venv / "pyvenv.cfg"
    good = config.read_text()
    assert whole()
    config.write_text(good.replace(f"{venv}\n", "/somewhere/else\n"))
    assert not whole()
    config.write_text(re.sub(r"version = \S+", "version = 3.10.1", good))
    assert not whole()
    config.write_text(good)
    assert whole()
    for link in (venv / "bin").glob("python*"):
        link.unlink()
    assert not whole()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_the_command(ready, number, saves_on_signal):
    """Whoever started dev.sh signals the command itself: it can save, and its exit code counts."""
    with ready.start("--host", "python", "-c", saves_on_signal) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(20) == 33
    assert (ready.root / "saved").read_text() == str(int(number))


def test_container_needs_an_engine(ready):
    """Forced, that is an error in one line; otherwise the host serves, and one line says so."""
    ready.stub("docker", "echo 'permission denied: the daemon socket' >&2; exit 1")
    forced = ready.run("--container", "true")
    assert forced.returncode == 1 and forced.stderr.count("\n") == 1
    free = ready.run("sh", "-c", "echo $VIRTUAL_ENV")
    assert free.stdout == f"{ready.root}/.venv-host\n"
    assert free.stderr.count("\n") == 1 and "group docker" in free.stderr


def test_missing_libraries_never_stop_a_command(ready):
    """The line to install them is said once, and MuJoCo is told not to render."""
    ready.stub("ldconfig", "echo '0 libs found'")
    (ready.root / ".venv-host/.libraries_noted").unlink(missing_ok=True)
    try:
        done = ready.run("--host", "sh", "-c", "echo $MUJOCO_GL")
        assert (done.returncode, done.stdout) == (0, "disabled\n")
        assert "libegl1" in done.stderr and "libosmesa6" in done.stderr
        assert ready.run("--host", "true").stderr == ""
        ready.stub("ldconfig", "echo 'libEGL.so.1 libGL.so.1 libOSMesa.so.8'")
        assert ready.run("--host", "sh", "-c", "echo $MUJOCO_GL $PYOPENGL_PLATFORM").stdout == "egl egl\n"
        chosen = ready.run("--host", "sh", "-c", "echo $MUJOCO_GL", env={"MUJOCO_GL": "osmesa"})
        assert chosen.stdout == "osmesa\n"
    finally:
        (ready.stubs / "ldconfig").unlink()


def test_no_fitting_python(make_project):
    """A machine with an old Python, and no way to install another, is told so in one line."""
    project = make_project()
    for tool in ("bash", "dirname", "readlink", "mkdir", "flock", "touch", "sed", "cat", "sha256sum", "rm"):
        if found := shutil.which(tool):
            (project.stubs / tool).symlink_to(found)
    (project.stubs / "apt-get").unlink()
    project.stub("python3", "exit 1")
    done = project.run("--host", "true", env={"PATH": str(project.stubs)}, executable=shutil.which("bash"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "Python 3.11 or 3.12" in done.stderr


# An engine that knows one image, and writes down how it is called.
ENGINE = """
case $1 in
  info) echo '20.10 {"runc":{}RUNTIMES}' ;;
  image) [ "${@: -1}" = KNOWN ] && echo 'sha256:1 KNOWN' ;;
  build | pull) exit FAILS ;;
  run) printf '%s\\n' "$@" ;;
esac
"""


def engine(project, known="robotics-rl:latest", runtimes="", fails=1):
    """Puts the stand-in engine in place of docker."""
    script = ENGINE.replace("KNOWN", known).replace("RUNTIMES", runtimes).replace("FAILS", str(fails))
    project.stub("docker", script)
    project.stub("nvidia-smi", "exit 1")


def test_container_is_asked_for_what_is_needed(bare):
    """The repository, the user, the renderer; no terminal, because there is none; no GPU, because there is none."""
    engine(bare)
    done = bare.run("--container", "echo", "a b", env={"PIP_INDEX_URL": "https://example.org/simple"})
    asked = done.stdout.splitlines()
    assert asked[-4:] == ["/workspace/docker/dev.sh", "--", "echo", "a b"]
    for flag, value in {
        "-v": f"{bare.root}:/workspace",
        "--user": f"{os.getuid()}:{os.getgid()}",
        "-w": "/workspace",
    }.items():
        assert asked[asked.index(flag) + 1] == value
    assert {"MUJOCO_GL=egl", "PYOPENGL_PLATFORM=egl", "NVIDIA_DRIVER_CAPABILITIES=all", "HOME=/tmp"} <= set(asked)
    assert {"--rm", "--init", "-i", "--ipc=host", "PIP_INDEX_URL"} <= set(asked)
    assert not {"-t", "--gpus"} & set(asked)
    assert "https://example.org/simple" not in asked


def test_container_without_a_home(bare):
    """A service may have none."""
    engine(bare)
    environment = {name: value for name, value in bare.environment().items() if name not in ("HOME", "XDG_CONFIG_HOME")}
    done = subprocess.run(
        ["bash", bare.root / "docker/dev.sh", "--container", "true"], cwd="/", env=environment, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "unbound" not in done.stderr and "HOME=/tmp" in done.stdout


def test_gpu_is_passed_on_where_the_runtime_can(bare):
    """A GPU without NVIDIA's container toolkit is worth a line, not an error."""
    engine(bare)
    bare.stub("nvidia-smi", "exit 0")
    without = bare.run("--container", "true")
    engine(bare, runtimes=',"nvidia":{}')
    bare.stub("nvidia-smi", "exit 0")
    asked = bare.run("--container", "true").stdout.splitlines()
    assert asked[asked.index("--gpus") + 1] == "all"
    if not any(shutil.which(tool) for tool in ("nvidia-container-runtime-hook", "nvidia-ctk")):
        assert "--gpus" not in without.stdout and "Container Toolkit" in without.stderr


def test_failed_build_falls_back_to_the_base(bare):
    """With a warning; and not even the base being there is an error."""
    engine(bare, known="my/base:1")
    done = bare.run("--container", "true", env={"BASE_IMAGE": "my/base:1"})
    assert done.returncode == 0 and "my/base:1" in done.stdout.splitlines()
    assert "WARNING" in done.stderr and "building robotics-rl:latest" in done.stderr
    again = bare.run("--container", "true", env={"BASE_IMAGE": "my/base:1"})
    assert "tries again" in again.stderr
    gone = bare.run("--container", "true", env={"BASE_IMAGE": "my/base:2"})
    assert gone.returncode == 1 and gone.stdout == "" and "neither" in gone.stderr


def test_requirements_are_exact_and_leave_torch_alone():
    """Every pin is exact except numpy's, torch is not among them, and the project itself comes last."""
    lines = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    assert lines.pop() == "-e .[onnx,sysid]"
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[0-9.]+", line)] == ["numpy>=1.26,<3"]
    assert not any(line.startswith("torch") for line in lines)


def test_ci_runs_the_newcomers_command():
    """Continuous integration has no setup of its own."""
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert script.read_text().splitlines()[-1] == "bash docker/dev.sh --host pytest"
