"""Provenance of a result: versions, commit, hardware, command and configuration hash.

Nothing here imports a simulator or a learner: versions are read from the installed packages' metadata. The import
itself needs no package at all, so that `scripts/doctor.py` can look at a machine where some are missing.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import importlib.metadata
import json
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
STACK = ("torch", "mujoco", "gymnasium", "gymnasium-robotics", "stable-baselines3", "numpy")


def versions() -> dict[str, str | None]:
    """Versions of Python and of the packages that decide a result; None where one is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for name in STACK:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = None
    return found


def packages() -> dict[str, str]:
    """Every installed distribution and its version, sorted by name."""
    found = ((d.metadata["Name"], d.version) for d in importlib.metadata.distributions())
    return dict(sorted((name, version) for name, version in found if name))


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


# What commands publish: after the first of several the tree is changed, and the code is not.
PUBLISHED = ("results", "tutorials/figures", "videos")


@functools.cache
def git_state() -> tuple[str | None, bool | None]:
    """(commit, whether tracked files differ from it); (None, None) outside a git checkout.

    Published reports and pictures do not count.
    """
    commit = _git("rev-parse", "HEAD")
    others = [f":(top,exclude){folder}" for folder in PUBLISHED]
    status = _git("status", "--porcelain", "--untracked-files=no", "--", ":(top)", *others)
    return commit, None if status is None else bool(status)


@functools.cache
def code_hash() -> str:
    """SHA-256 of the sources, scripts included, its first 16 digits: a commit does not tell what was edited since."""
    packages = [path.parent for path in ROOT.glob("*/__init__.py")]
    files = [
        *ROOT.glob("*.py"),
        *ROOT.glob("scripts/*.py"),
        *(path for each in packages for path in each.rglob("*.py")),
    ]
    found = hashlib.sha256()
    for path in sorted(files):
        found.update(f"{path.relative_to(ROOT)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.lower().startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


def gpu_name() -> str | None:
    """Name of the first NVIDIA GPU by `nvidia-smi`, or None. It does not say that PyTorch can use it."""
    try:
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip().splitlines()[0].strip() if done.stdout.strip() else None


def cores() -> int:
    """CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@functools.cache
def hardware() -> dict[str, Any]:
    """This machine, without its name: the fields of `analysis.reports.Hardware`."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError):
        memory = None
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_gib": None if memory is None else round(memory, 1),
        "gpu": gpu_name(),
        "platform": f"{platform.system()} {platform.machine()}",
    }


def _without_machine(text: str) -> str:
    """An absolute path as the project sees it: relative to its root, or the name alone where it lies outside."""
    path = Path(text)
    if not path.is_absolute():
        return text
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


def command() -> str:
    """The command as a reader would type it from the project's root: no absolute path of this machine."""
    words = []
    for word in sys.argv:
        # A path may be a whole word, follow an equals sign (--out=/home/…), or stand in a list (/home/…,/home/…).
        flag, equals, value = word.partition("=") if word.startswith("-") else ("", "", word)
        words.append(flag + equals + ",".join(_without_machine(part) for part in value.split(",")))
    return shlex.join(["python", *words])


def config_hash(config: dict[str, Any]) -> str:
    """SHA-256 of a configuration, the order of its keys aside; its first 16 digits."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, allow_nan=False).encode()).hexdigest()[:16]


def metadata(config: dict[str, Any], **known: Any) -> dict[str, Any]:
    """The fields of `reports.Metadata` that are the same for every report; `known` overrides and adds."""
    commit, dirty = git_state()
    common = {
        "status": "finished",
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "dirty": dirty,
        "command": command(),
        "config": config,
        "config_hash": config_hash(config),
        "env_id": None,
        "seeds": [],
        "device": "cpu",
        "hardware": hardware(),
        "n_envs": None,
        "versions": versions(),
        "wall_clock_s": 0.0,
    }
    return common | known
