"""The pages: every fenced command runs, every path named exists, every number and code block is what it says.

Commands run in smoke mode, in the order of the page, in an empty folder that sees the project as a reader's checkout
would: what one command writes, the next one can read.
"""

from __future__ import annotations

import os
import re
import resource
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from analysis import docs

ROOT = Path(__file__).resolve().parents[2]
PAGES = [page.relative_to(ROOT) for page in [*docs.pages(ROOT), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]]
FENCED = re.compile(r"^```bash\n(.*?)^```$", re.S | re.M)
# Tools whose own run is this test run, or that only start a server or a shell.
NOT_RUN = ("pytest", "ruff", "tensorboard")
# Scripts beside the chapters' own that have a small mode.
WITH_SMOKE = ("check_repro.py", "sweep.py", "break_ppo.py", "dagger_from_scratch.py")
# What reads nothing that another command of its page writes, nor is read by one: on a second page it is the same run.
ALONE = ("scripts/labs/", "scripts/sweep.py")
# Folders in git, by its own list; in those of which a reader's files are part, names need not exist.
LISTED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
FOLDERS = sorted({line.split("/")[0] for line in LISTED if "/" in line and line[0] != "."} - {"checkpoints", "videos"})


def commands_of(page: Path) -> list[str]:
    """The commands of all `bash` blocks of a page, continuation lines joined, comments dropped."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = "\n".join(FENCED.findall(text)).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def smoke_form(command: str) -> list[str] | None:
    """The same command without the wrapper and with small knobs; None for a server or a shell."""
    words = shlex.split(command, comments=True)
    if words[:2] == ["bash", "docker/dev.sh"]:
        words = words[2:]
        if words[:1] in (["--host"], ["--container"]):
            words = words[1:]
    if not words or words[0] in NOT_RUN:
        return None
    assert words[0] == "python", f"a bash block holds {command!r}; host commands go into console blocks"
    target = words[1]
    if target.startswith("scripts/exercises/"):
        return None  # a stub is to fail: tests/exercises runs it, with the answers that the page gives
    if "--help" in words or target == "-m":
        return [sys.executable, *words[1:]]
    if target == "eval.py":
        # eval.py has no small mode of its own: two of the seeds that the command names.
        if "--n-episodes" in words:
            words[words.index("--n-episodes") + 1] = "2"
        else:
            words += ["--n-episodes", "2"]
    elif target.startswith("scripts/labs/") and "--steps" in words:
        words[words.index("--steps") + 1] = "800"
    elif target == "train.py" or target.startswith("scripts/ch") or target.endswith(WITH_SMOKE):
        words += ["--smoke"]
    return [sys.executable, *words[1:]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """An empty folder with the project's code in it, and the folders that a clone has."""
    for name in ("train.py", "eval.py", "scripts", "configs", "requirements.txt", "pyproject.toml", "docker"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("checkpoints", "results", "videos", "runs"):
        (tmp_path / name).mkdir()
    (tmp_path / "checkpoints/reference").symlink_to(ROOT / "checkpoints/reference")
    # Reports that ship with the clone may be read by a command, and must not be changed by it.
    for report in (ROOT / "results").rglob("*.json*"):
        link = tmp_path / report.relative_to(ROOT)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.write_bytes(report.read_bytes())
    return tmp_path


def run(words: list[str], checkout: Path, commands: Any, fresh: bool) -> tuple[int, str, str]:
    """Exit status, output and errors of a command.

    Fresh, it runs as a shell runs it; else in a process that has PyTorch and the simulator imported already, which
    takes four seconds.
    """
    if fresh or words[1] in ("-c", "-m") or "--help" in words:
        environment = os.environ | {"PYTHONWARNINGS": "default"}
        done = subprocess.run(words, cwd=checkout, env=environment, capture_output=True, text=True, timeout=240)
        return done.returncode, done.stdout, done.stderr
    program = words[1].removesuffix(".py") if words[1] in ("train.py", "eval.py") else words[1]
    done = commands([program, *words[2:]], checkout, setup="signal.alarm(240)")
    return done.status, done.stdout, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_of_a_page_runs(page: Path, checkout: Path, commands: Any) -> None:
    """The first one, from which a reader starts, in a fresh process."""
    shipped = {path: path.read_bytes() for path in (checkout / "results").rglob("*") if path.is_file()}
    fresh, done_by_all = True, set()
    for command in commands_of(page):
        words = smoke_form(command)
        if words is None or (len(words) == 4 and tuple(words[1:3]) in done_by_all):
            continue
        if words[1].startswith(ALONE) and page != next(other for other in PAGES if command in commands_of(other)):
            continue
        status, output, errors = run(words, checkout, commands, fresh)
        fresh = False
        assert status == 0, f"{command}\n{output[-2000:]}\n{errors[-2000:]}"
        if words[2:3] == ["all"]:
            # Its steps without flags of their own, as it names them: the same code with the same arguments.
            done_by_all |= {(words[1], name) for name in re.findall(r"^\[\d+/\d+\] (\S+)$", output, re.M)}
    changed = [str(path) for path, content in shipped.items() if path.read_bytes() != content]
    assert not changed, f"a reader who follows {page} changes files that git tracks: {changed}"


def test_the_pages_hold_commands() -> None:
    """So that the test above cannot pass by finding nothing."""
    assert len(commands_of(Path("README.md"))) >= 5


def test_pages_are_filled() -> None:
    """Numbers come from results/, code from the labs."""
    words = ["git", "diff", "--quiet", "HEAD", "--", "results"]
    if subprocess.run(words, cwd=ROOT, capture_output=True).returncode == 1:
        # A reader who ran a chapter has numbers of their own machine there now, and did nothing wrong.
        pytest.skip("results/ differs from the commit; `python -m analysis.docs` fills the pages from it")
    assert docs.main(["--check"]) == 0


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_path_named_exists(page: Path) -> None:
    """Links, and names of files and folders of the project in code spans."""
    text = (ROOT / page).read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    missing = []
    for target in re.findall(r"\]\(([^)#\s]+)", prose):
        if not target.startswith(("http", "mailto")) and not ((ROOT / page).parent / target).exists():
            missing.append(target)
    folders = "|".join(FOLDERS)
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", prose):
        if not (ROOT / name).exists():
            missing.append(name)
    assert not missing, f"{page} names what does not exist: {missing}"


def test_the_readme_names_every_folder() -> None:
    layout = (ROOT / "README.md").read_text(encoding="utf-8").split("## Repository layout")[1].split("\n## ")[0]
    missing = [folder for folder in [*FOLDERS, "checkpoints", "videos"] if f"`{folder}/`" not in layout]
    assert not missing and len(FOLDERS) > 10


ENTRIES = sorted(
    str(path.relative_to(ROOT))
    for path in [ROOT / "train.py", ROOT / "eval.py", *ROOT.glob("scripts/*.py")]
    if "\nif __name__" in path.read_text(encoding="utf-8")  # the others are imported, as scripts/chapter.py is
)


@pytest.mark.parametrize("entry", ENTRIES)
def test_help_is_fast(entry: str) -> None:
    """`--help` of every entry point computes for less than a second and a half, five times what it needs.

    Time of the processor, not of the clock: what runs beside it takes none of it. Importing PyTorch alone takes more.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, entry, "--help"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert (done.returncode, done.stderr) == (0, "")
    assert "usage" in done.stdout.lower()
    assert entry not in ("train.py", "eval.py") or all(f"--{flag}" in done.stdout for flag in ("env", "device", "seed"))
    assert seconds < 1.5, f"{entry} --help took {seconds:.1f} s"
