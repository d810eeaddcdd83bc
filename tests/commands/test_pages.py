"""The pages: every fenced command runs, every path named exists, every number and code block is what it says.

Commands run in smoke mode, in the order of the page, in an empty folder that sees the project as a reader's checkout
would: what one command writes, the next one can read. What two pages say, or a page and a chapter's `all`, runs once.
"""

from __future__ import annotations

import functools
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
# Runs a sweep up to where its processes would start: its line was read, each of its runs planned, shrunk and resolved.
PLANNED = "import jobs.local; jobs.local.run_here = lambda *_: sys.exit(0)"
# Folders in git, by its own list; in those of which a reader's files are part, names need not exist.
LISTED = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
FOLDERS = sorted({line.split("/")[0] for line in LISTED if "/" in line and line[0] != "."} - {"checkpoints", "videos"})


@functools.cache
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


def bare_step(words: list[str]) -> bool:
    """Whether a command is a step of a chapter's script and nothing else: `python scripts/chNN_….py step --smoke`.

    In smoke mode it writes to a folder of its own and finds nothing that another command wrote: it may run anywhere.
    """
    return len(words) == 4 and words[1].startswith("scripts/ch") and words[3] == "--smoke"


def home_of(script: str) -> Path | None:
    """The page on which a chapter's bare steps run, whichever pages they are on: its own, if it shows `all`."""
    own = [page for page in PAGES if page.stem.startswith(f"{Path(script).name[:4]}_")]
    shown = f"python {script} all"
    return next((page for page in own if any(line.endswith(shown) for line in commands_of(page))), None)


def runs_of(page: Path) -> list[tuple[str, list[str]]]:
    """Commands of a page that run, and their words: without what another page runs, with what runs only here."""
    lines = [(line, smoke_form(line)) for line in commands_of(page)]
    kept = [(line, words) for line, words in lines
            if words and not (bare_step(words) and home_of(words[1]) not in (None, page))]  # fmt: skip
    for other in PAGES:
        for line in commands_of(other) if other != page else ():
            words = smoke_form(line)
            if words and bare_step(words) and home_of(words[1]) == page and words not in [each for _, each in kept]:
                kept.append((line, words))
    return [(line, words) for line, words in kept if not (
        words[1].startswith(ALONE) and page != next(other for other in PAGES if line in commands_of(other))
    )]  # fmt: skip


def first_sweep() -> str:
    """The one sweep that runs: a page's next one starts the same four processes with other settings."""
    return next(line for page in PAGES for line in commands_of(page) if "python scripts/sweep.py" in line)


def run(words: list[str], checkout: Path, commands: Any, fresh: bool, setup: str = "") -> tuple[int, str, str]:
    """Exit status, output and errors of a command.

    Fresh, it runs as a shell runs it; else in a process that has PyTorch and the simulator imported already, which
    takes four seconds, with `setup` run first.
    """
    if fresh or words[1] in ("-c", "-m") or "--help" in words:
        environment = os.environ | {"PYTHONWARNINGS": "default"}
        done = subprocess.run(words, cwd=checkout, env=environment, capture_output=True, text=True, timeout=240)
        return done.returncode, done.stdout, done.stderr
    program = words[1].removesuffix(".py") if words[1] in ("train.py", "eval.py") else words[1]
    done = commands([program, *words[2:]], checkout, setup=f"signal.alarm(240); {setup}")
    return done.status, done.stdout, done.stderr


def state_of(checkout: Path) -> dict[Path, tuple[int, int]]:
    """Every file in it, by when it was written and its size; but TensorBoard's, which a run logs in runs/ anyway."""
    files = [path for path in checkout.rglob("*") if path.is_file() and not path.is_symlink()]
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in files
        if not path.name.startswith("events.out.tfevents.")
    }


def changes_of_git() -> set[str]:
    """What differs from the commit in the checkout that these tests are in; nothing where that is none."""
    words = ["git", "--no-optional-locks", "status", "--porcelain"]
    return set(subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout.splitlines())


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_command_of_a_page_runs(page: Path, checkout: Path, commands: Any) -> None:
    """The first one, from which a reader starts, in a fresh process."""
    shipped = {path: path.read_bytes() for path in (checkout / "results").rglob("*") if path.is_file()}
    fresh, done_by_all, git = True, set(), changes_of_git()
    for command, words in runs_of(page):
        if bare_step(words) and tuple(words[1:3]) in done_by_all:
            continue
        planned = words[1] == "scripts/sweep.py" and command != first_sweep()
        before = state_of(checkout) if words[1].startswith("scripts/ch") else None
        status, output, errors = run(words, checkout, commands, fresh and not planned, PLANNED if planned else "")
        fresh = False
        assert status == 0, f"{command}\n{output[-2000:]}\n{errors[-2000:]}"
        # A chapter's smoke run keeps everything in a temporary folder.
        assert before is None or state_of(checkout) == before, f"{command} leaves files, or changes reports"
        if words[2:3] == ["all"]:
            # Its steps without flags of their own, as it names them: the same code with the same arguments.
            done_by_all |= {(words[1], name) for name in re.findall(r"^\[\d+/\d+\] (\S+)$", output, re.M)}
    changed = [str(path) for path, content in shipped.items() if path.read_bytes() != content]
    assert not changed, f"a reader who follows {page} changes files that git tracks: {changed}"
    # With the folder above it, no command writes into the real one either.
    assert changes_of_git() <= git, f"a command of {page} writes into the checkout itself"


def test_a_command_that_is_left_out_runs_elsewhere() -> None:
    """Whatever `runs_of` drops from one page it keeps on another."""
    kept = [words for page in PAGES for _, words in runs_of(page)]
    for page in PAGES:
        assert all(words in kept for line in commands_of(page) if (words := smoke_form(line)))
    assert sum(words[1:3] == ["scripts/ch01_env_anatomy.py", "all"] for words in kept) == 1
    assert sum(words[1:3] == ["scripts/ch08_fast_loop.py", "profile"] for words in kept) == 1


def test_the_pages_hold_commands() -> None:
    """So that the test above cannot pass by finding nothing."""
    assert len(commands_of(Path("README.md"))) >= 5


def test_every_lab_is_verified_on_a_page() -> None:
    """Some labs learn something as a claim, and no other test runs that. `tests/labs` runs the one of an appendix."""
    labs = {path.stem for path in (ROOT / "scripts/labs").glob("*.py")} - {"image_augmentation"}
    lines = [words for page in PAGES for _, words in runs_of(page)]
    assert labs == {
        Path(words[1]).stem for words in lines if words[1].startswith("scripts/labs/") and "--verify" in words
    }


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
