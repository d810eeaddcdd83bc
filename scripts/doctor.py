"""What can this machine do, and which commands fix the rest?

    python scripts/doctor.py                                 # one line a check: ok, warn or FAIL
    python scripts/doctor.py --json-out results/doctor.json

Exit status 1 only where training would not work. Runs on every Python from 3.9 on, with no package installed: nothing
but the standard library is imported here, and what may crash is tried in a process of its own. A check that goes wrong
says so and does not stop the others.
"""

from __future__ import annotations

import dataclasses
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# A Python in which the project is not installed can still be looked at.
sys.path.insert(0, str(ROOT))

from common.cli import guarded  # noqa: E402
from common.errors import UserError  # noqa: E402
from common.files import check_report_place  # noqa: E402
from common.plain_flags import Parser  # noqa: E402
from common.provenance import cores, git_state, gpu_name  # noqa: E402
from envs.rendering import BACKENDS, try_backend  # noqa: E402

OK, WARN, FAIL = "ok", "warn", "FAIL"
IN_CONTAINER = bool(os.environ.get("ROBOTICS_RL_CONTAINER"))
# In one of the project's two environments a command reaches the same one only through docker/dev.sh.
PREFIX = {ROOT / ".venv": "bash docker/dev.sh ", ROOT / ".venv-host": "bash docker/dev.sh --host "}.get(
    Path(sys.prefix).resolve(), ""
)
PIP = f"{PREFIX}python -m pip install"
INSTALL = f"{PIP} -r requirements.txt"
SETUP = INSTALL if PREFIX else "bash docker/dev.sh python scripts/doctor.py, which sets up an environment"
APT = "sudo apt-get install libegl1 libgl1 libosmesa6"
# Tests, style, figures and videos: training goes on without.
NOT_FOR_TRAINING = {"pytest", "pytest-xdist", "hypothesis", "ruff", "matplotlib", "imageio", "av", "pillow"}
FOLDERS = ("checkpoints", "results", "runs", "videos")
TORCH = """
import torch
gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else ""
assert torch.isfinite((torch.ones(64, 64) @ torch.ones(64, 64)).sum())
print(torch.__version__, gpu, sep="|")
"""
FETCH = """
import sys
sys.path.insert(0, {root!r})
from envs.make import make_env
env = make_env("FetchPush-v4")
env.reset(seed=0)
observation, reward, *_ = env.step(env.action_space.sample())
print(len(observation["observation"]), reward)
"""


@dataclasses.dataclass(frozen=True)
class Finding:
    """What one check found: `ok`, `warn` or `FAIL`, one line about it, and the fix where it is not ok."""

    status: str
    text: str
    fix: str = ""


def ask(code: str, seconds: float = 120) -> tuple[bool, str]:
    """(whether a fresh Python ran `code`, its output or the last line of its error)."""
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False, f"no answer within {seconds:.0f} s"
    if done.returncode == 0:
        return True, done.stdout.strip()
    if done.returncode < 0:
        return False, f"the process was killed by signal {-done.returncode}"
    errors = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    return False, errors[-1] if errors else f"exit status {done.returncode}"


def numbers(version: str) -> tuple[int, ...]:
    """(3, 11, 0) of '3.11.0+cpu'."""
    return tuple(int(part) for part in re.findall(r"\d+", version.split("+")[0])[:3])


def fits(version: str, wanted: str) -> bool:
    """Whether a version fits a requirement such as '==3.11.0' or '>=1.26,<3'."""
    for operator, bound in re.findall(r"(==|>=|<=|<|>)\s*([\w.]+)", wanted):
        if operator == "==":
            if version.split("+")[0] != bound:
                return False
            continue
        have, need = numbers(version), numbers(bound)
        width = max(len(have), len(need))
        have, need = (part + (0,) * (width - len(part)) for part in (have, need))
        if not {">=": have >= need, "<=": have <= need, "<": have < need, ">": have > need}[operator]:
            return False
    return True


def requirements(text: str) -> dict[str, str]:
    """Package: what is asked of its version, from the lines of a requirements file."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    found = (re.fullmatch(r"([A-Za-z0-9._-]+)\s*((?:==|>=|<=|<|>).*)?", line) for line in lines)
    return {match[1].lower(): match[2] or "" for match in found if match and not match[1].startswith("-")}


def check_python() -> Finding:
    """The versions that every pin has wheels for."""
    have = ".".join(map(str, sys.version_info[:3]))
    if (3, 11) <= sys.version_info[:2] <= (3, 12):
        return Finding(OK, have)
    return Finding(FAIL, f"{have}; Python 3.11 or 3.12 is needed", SETUP)


def check_packages() -> Iterable[Finding]:
    """Every package of requirements.txt, at the version that was tested."""
    wanted = requirements((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    missing: dict[str, list[str]] = {FAIL: [], WARN: []}
    right = 0
    for name, version in wanted.items():
        fix = f'{PIP} "{name}{version}"'
        try:
            have = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing[WARN if name in NOT_FOR_TRAINING else FAIL].append(name)
            continue
        if fits(have, version):
            right += 1
        elif name == "mujoco" and numbers(have) >= (3, 12):
            yield Finding(FAIL, f"mujoco {have}: the Fetch tasks fail with mujoco 3.12 and newer", fix)
        else:
            yield Finding(WARN, f"{name} {have}, tested with {version}", fix)
    for status, names in missing.items():
        if names:
            yield Finding(status, f"not installed: {', '.join(names)}", SETUP)
    if right:
        yield Finding(OK, f"{right} of {len(wanted)} are as requirements.txt asks")


def check_torch() -> Iterable[Finding]:
    """PyTorch, and whether it can use the GPU that the driver shows."""
    works, said = ask(TORCH)
    gpu = gpu_name()
    if not works:
        yield Finding(FAIL, f"PyTorch does not work: {said}", SETUP)
    else:
        version, used = said.splitlines()[-1].split("|")
        if used:
            yield Finding(OK, f"{version}, computes on {used}")
        elif gpu is None:
            yield Finding(OK, f"{version}, computes on the CPU (no NVIDIA GPU here)")
        else:
            fix = "a PyTorch for CUDA: https://pytorch.org/get-started/locally"
            if IN_CONTAINER:
                fix = "a newer driver on the host, or an older base image: BASE_IMAGE=… bash docker/build.sh"
            yield Finding(WARN, f"{version} cannot use {gpu}: training runs on the CPU", fix)
    if gpu is None and IN_CONTAINER and Path("/proc/driver/nvidia").exists():
        fix = "install the NVIDIA Container Toolkit on the host, so that docker/dev.sh can pass --gpus all"
        yield Finding(WARN, "the host has an NVIDIA GPU that this container does not see", fix)


def check_fetch() -> Finding:
    """A Fetch task made and stepped."""
    works, said = ask(FETCH.format(root=str(ROOT)))
    if works:
        return Finding(OK, "FetchPush-v4 is made, reset and stepped")
    if "AssertionError" in said:
        return Finding(FAIL, "an assertion fails in the Fetch tasks, as with mujoco 3.12 and newer", INSTALL)
    return Finding(FAIL, f"no Fetch task can be stepped: {said}", SETUP)


def check_rendering() -> Iterable[Finding]:
    """Pictures without a display; training needs none."""
    problems = {name: try_backend(name) for name in BACKENDS}
    working = [name for name, problem in problems.items() if problem is None]
    if working:
        yield Finding(OK, f"{' and '.join(working)} work{'s' if len(working) == 1 else ''}")
    else:
        why = "; ".join(f"{name}: {problem}" for name, problem in problems.items())
        fix = SETUP if "No module named" in why else APT
        yield Finding(WARN, f"no videos and no pictures: neither EGL nor OSMesa renders ({why})", fix)
    chosen = os.environ.get("MUJOCO_GL", "")
    if problems.get(chosen) and working:
        yield Finding(WARN, f"MUJOCO_GL={chosen}, which does not work here", f"export MUJOCO_GL={working[0]}")


def check_video() -> Finding:
    """PyAV brings its own encoder: no ffmpeg is needed."""
    works, said = ask("import av; av.codec.Codec('libx264', 'w')")
    if works:
        return Finding(OK, "PyAV encodes H.264; no ffmpeg is needed")
    return Finding(WARN, f"no MP4 videos, GIFs only: {said}", SETUP)


def check_docker() -> Finding:
    """The engine, and whether this user may use it. Without one everything runs on the host."""
    if IN_CONTAINER:
        return Finding(OK, "this is the project's container")
    if not shutil.which("docker"):
        return Finding(OK, "not installed: docker/dev.sh uses .venv-host on this machine")
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return Finding(WARN, "installed, but the engine does not answer", "sudo systemctl restart docker")
    if done.returncode == 0:
        return Finding(OK, "the engine answers")
    if "permission denied" in (done.stdout + done.stderr).lower():
        return Finding(WARN, "the engine refuses this user", "sudo usermod -aG docker $USER, then log out and in again")
    return Finding(WARN, "installed, but no engine answers; .venv-host serves", "sudo systemctl start docker")


def check_disk() -> Finding:
    """Room for an environment, checkpoints and the replay of an unfinished run."""
    free = shutil.disk_usage(ROOT).free / 2**30
    text = f"{free:.1f} GiB free"
    # "not more" rather than "less": a NaN must not pass.
    if not free > 0.5:
        return Finding(FAIL, f"{text}; a run needs about half a GiB", "free some space: runs/, checkpoints/, images")
    if not free > 5:
        return Finding(WARN, f"{text}; a new environment takes 2 GiB and more", "free some space")
    return Finding(OK, text)


def check_cores() -> Finding:
    """The simulator steps one environment a core."""
    count = cores()
    if count < 2:
        return Finding(WARN, "1 core: expect twice the minutes that the pages show", "give the machine a second core")
    return Finding(OK, f"{count} cores")


def check_folders() -> Iterable[Finding]:
    """What runs write to, and the temporary folder."""
    places = [ROOT / name if (ROOT / name).exists() else ROOT for name in FOLDERS] + [Path(tempfile.gettempdir())]
    refused = []
    for place in dict.fromkeys(places):
        try:
            with tempfile.TemporaryFile(dir=place):
                pass
        except OSError as error:
            refused.append(f"{place.name if place != ROOT else 'the project'} ({error.strerror})")
    if refused:
        fix = 'sudo chown -R "$(id -u):$(id -g)" . in the project\'s folder'
        yield Finding(FAIL, f"cannot write to {', '.join(refused)}", fix)
    else:
        yield Finding(OK, f"{', '.join(FOLDERS)} and the temporary folder can be written")


def check_git() -> Finding:
    """Reports name the commit that made them."""
    if git_state()[0]:
        return Finding(OK, "reports can name their commit")
    fix = 'git config --global --add safe.directory "$PWD" in the project\'s folder, or install git'
    return Finding(WARN, "git does not say which commit this is; reports will not either", fix)


CHECKS: dict[str, Callable[[], Finding | Iterable[Finding]]] = {
    "Python": check_python, "packages": check_packages, "PyTorch": check_torch, "Fetch tasks": check_fetch,
    "rendering": check_rendering, "video": check_video, "Docker": check_docker, "disk": check_disk,
    "cores": check_cores, "folders": check_folders, "git": check_git,
}  # fmt: skip


def examine(name: str) -> list[Finding]:
    """The findings of one check; its own failure is a warning."""
    findings: list[Finding] = []
    try:
        found = CHECKS[name]()
        for finding in [found] if isinstance(found, Finding) else found:
            findings.append(finding)
    except Exception as error:  # whatever is broken here, the other checks are still wanted
        text = f"this check went wrong itself: {type(error).__name__}: {error}"
        findings.append(Finding(WARN, text, "report it, with the output of scripts/print_versions.py"))
    return findings


def write_report(path: str, findings: dict[str, list[Finding]], seconds: float) -> None:
    """The findings as a report of kind `data`. Raises `UserError`, also where the packages for it are missing."""
    try:
        from analysis.reports import DataReport, save
        from common.provenance import metadata
    except ImportError as error:
        raise UserError(f"no report was written, for want of a package: {error}. {INSTALL}") from None
    worst = FAIL if any(f.status == FAIL for group in findings.values() for f in group) else OK
    data = {name: [dataclasses.asdict(f) for f in group] for name, group in findings.items()}
    common = metadata({}, status="failed" if worst == FAIL else "finished", wall_clock_s=round(seconds, 2))
    save(path, DataReport(**common, name="doctor", data={"trains": worst != FAIL, "checks": data}))
    print(f"report -> {path}")


def examine_and_tell(argv: Sequence[str] | None = None) -> int:
    """All checks, printed as they come; the exit status. Raises `UserError` on a report that cannot be written."""
    parser = Parser(prog="doctor.py", description="What this machine can do, and how to fix the rest.")
    parser.add_argument("--json-out", help="report to write")
    arguments = parser.parse_args(argv)
    if arguments.json_out is not None:
        if not arguments.json_out:
            raise UserError("--json-out is empty; give it a value or leave it out.")
        check_report_place(arguments.json_out, "--json-out", ("data",))
    began, findings = time.monotonic(), {}
    for name in CHECKS:
        findings[name] = examine(name)
        for finding in findings[name]:
            print(f"{finding.status:4s}  {name:11s}  {finding.text}", flush=True)
            if finding.fix and finding.status != OK:
                print(f"{'':17s}  fix: {finding.fix}", flush=True)
    flat = [finding.status for group in findings.values() for finding in group]
    failed, warned = flat.count(FAIL), flat.count(WARN)
    word = "training would not work" if failed else "training works"
    print(f"{word}: {failed} failed, {warned} warning{'s' if warned != 1 else ''}")
    if arguments.json_out:
        try:
            write_report(arguments.json_out, findings, time.monotonic() - began)
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1 if failed else 2
    return 1 if failed else 0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0 where training works, 1 where it would not, 2 on a mistake."""
    return guarded(lambda: examine_and_tell(argv))


if __name__ == "__main__":
    sys.exit(main())
