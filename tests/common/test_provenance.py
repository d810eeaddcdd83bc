"""Where a number came from, without saying on whose machine."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.reports import DataReport
from common import provenance

ROOT = provenance.ROOT
# A slash that begins a path: at the start of a word or after what may stand before a value.
ABSOLUTE = re.compile(r"(?:^|[\s=,:'\"\[])/\w")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["train.py", "--seed", "0"], "python train.py --seed 0"),
        ([f"{ROOT}/train.py", "--out", f"{ROOT}/checkpoints/a"], "python train.py --out checkpoints/a"),
        (["eval.py", "--ckpt", "/srv/someone/a.zip"], "python eval.py --ckpt a.zip"),
        (["eval.py", "--ckpt=/srv/someone/a.zip"], "python eval.py --ckpt=a.zip"),
        (["eval.py", f"--json-out={ROOT}/results/a.json"], "python eval.py --json-out=results/a.json"),
        (["x.py", f"/srv/a/b.json,{ROOT}/results/c.json,d.json"], "python x.py b.json,results/c.json,d.json"),
        (["x.py", "--note", "two words", "--seeds", "0-4,10"], "python x.py --note 'two words' --seeds 0-4,10"),
        (["x.py", "--out", "/srv/some one/my file.json"], "python x.py --out 'my file.json'"),
    ],
)
def test_command_names_no_place_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], text: str
) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    assert provenance.command() == text


NAMES = st.text("abcxyz.-_ ", min_size=1, max_size=6).filter(lambda name: name.strip(". "))
PATHS = st.lists(NAMES, min_size=1, max_size=4).map(lambda names: "/" + "/".join(names))


@settings(deadline=None)
@given(st.lists(PATHS | PATHS.map(lambda path: f"--out={path}") | st.just("--seed") | st.just("0-9"), max_size=6))
def test_no_absolute_path_survives_in_any_command(words: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["train.py", *words])
        assert not ABSOLUTE.search(provenance.command())


def _committed_json() -> list[Path]:
    try:
        done = subprocess.run(["git", "ls-files", "-z", "*.json"], cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return sorted((ROOT / "results").rglob("*.json"))
    return [ROOT / name for name in done.stdout.split("\0") if name and (ROOT / name).is_file()]


def _texts(value: Any) -> Iterator[str]:
    """Every text in a JSON value, keys aside."""
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _texts(part)
    elif isinstance(value, str):
        yield value


def test_no_committed_report_tells_a_place_on_a_machine() -> None:
    for path in _committed_json():
        value = json.loads(path.read_text(encoding="utf-8"))
        for text in _texts([value.get("command"), value.get("config")] if isinstance(value, dict) else []):
            assert not ABSOLUTE.search(text), f"{path.name}: {text}"


def test_every_text_of_a_report_is_looked_at() -> None:
    assert list(_texts({"a": ["b", {"c": "d"}], "e": 1, "f": None})) == ["b", "d"]


def test_every_committed_report_says_how_long_it_took() -> None:
    for path in _committed_json():
        value = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(value, dict) and "wall_clock_s" in value:
            assert value["wall_clock_s"] > 0, path.name


def test_the_pattern_of_these_tests_sees_an_absolute_path() -> None:
    for text in ("/srv/a", "python /srv/a/train.py", "python x.py --out=/tmp/a", "python x.py '/srv/a b'"):
        assert ABSOLUTE.search(text)
    assert not ABSOLUTE.search("python scripts/x.py --out results/a.json --env FetchReach-v4")


def test_versions_name_the_stack_and_say_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "STACK", ("numpy", "surely-no-such-distribution"))
    import numpy

    assert provenance.versions() == {
        "python": platform.python_version(),
        "numpy": numpy.__version__,
        "surely-no-such-distribution": None,
    }
    installed = provenance.packages()
    assert installed["numpy"] == numpy.__version__ and list(installed) == sorted(installed)


def _git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *who, *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def test_git_state_of_a_clean_and_a_changed_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    # Past the cache, which is there because the tree is asked about many times in one run.
    state = provenance.git_state.__wrapped__
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert state() == (None, None)
    try:
        _git(tmp_path, "init", "--quiet")
    except FileNotFoundError:
        pytest.skip("no git on this machine")
    (tmp_path / "a.txt").write_text("1")
    _git(tmp_path, "add", "a.txt")
    _git(tmp_path, "commit", "--quiet", "-m", "one")
    commit = _git(tmp_path, "rev-parse", "HEAD")
    assert state() == (commit, False)
    (tmp_path / "untracked.txt").write_text("x")
    assert state() == (commit, False)
    # One command's report must not make the next one's look made by other code.
    (tmp_path / "results").mkdir()
    (tmp_path / "results/a.json").write_text("{}")
    _git(tmp_path, "add", "results/a.json")
    assert state() == (commit, False)
    (tmp_path / "a.txt").write_text("2")
    assert state() == (commit, True)


def test_the_hash_of_the_code_changes_with_it_and_with_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    for name in ("train.py", "envs/__init__.py", "envs/inner/task.py", "scripts/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("1")
    hashes = [provenance.code_hash.__wrapped__()]
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/notes.py").write_text("1")
    assert provenance.code_hash.__wrapped__() == hashes[0]
    for name in ("train.py", "envs/inner/task.py", "scripts/a.py", "envs/new.py"):
        (tmp_path / name).write_text("2")
        hashes.append(provenance.code_hash.__wrapped__())
    assert len(set(hashes)) == 5


def test_without_git_and_without_a_gpu_nothing_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert provenance.git_state.__wrapped__() == (None, None)
    assert provenance.gpu_name() is None


def test_config_hash_ignores_order_and_nothing_else() -> None:
    one = provenance.config_hash({"gamma": 0.95, "seed": 0})
    assert re.fullmatch("[0-9a-f]{16}", one)
    assert provenance.config_hash({"seed": 0, "gamma": 0.95}) == one
    for other in ({"gamma": 0.95, "seed": 1}, {"gamma": 0.95}, {"gamma": 0.95, "seed": "0"}):
        assert provenance.config_hash(other) != one
    with pytest.raises(ValueError):
        provenance.config_hash({"gamma": float("nan")})


def test_metadata_makes_a_report_and_known_values_win() -> None:
    fields = provenance.metadata({"gamma": 0.95}, status="interrupted", seeds=[3], wall_clock_s=2.0)
    report = DataReport(name="x", data={}, **fields)
    assert (report.status, report.seeds, report.wall_clock_s) == ("interrupted", [3], 2.0)
    assert report.config_hash == provenance.config_hash({"gamma": 0.95})
    assert report.created.endswith("+00:00")
    # The platform names the system, not the host.
    assert report.hardware.platform == f"{platform.system()} {platform.machine()}"
