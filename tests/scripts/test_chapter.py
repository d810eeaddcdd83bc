"""The helper of the chapter scripts: where files go, what is tracked, and how an `all` continues."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from analysis.reports import DataReport, EvalReport, load, save
from common.cli import guarded
from common.errors import ToldAlready, UserError
from common.files import sha256
from common.other_commands import check_status

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def helper(load_script: Callable[[str], ModuleType], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    return load_script("chapter")


def test_files_of_a_reader_are_under_runs_and_published_ones_where_pages_look(helper: ModuleType) -> None:
    chapter, published, smoke = helper.Chapter("ch09", "?"), helper._Mode(publish=True), helper._Mode(smoke=True)
    assert str(chapter.file("a.json")) == "runs/ch09/a.json"
    assert str(chapter.file("a.json", published)) == "results/ch09_a.json"
    assert str(chapter.file("a.png", published)) == "tutorials/figures/ch09_a.png"
    assert str(chapter.file("policy", published)) == "runs/ch09/policy", "checkpoints are not published"
    assert str(chapter.file("a.json", published, "x/b.json")) == "x/b.json"
    temporary = chapter.file("a.json", smoke, "x/b.json")
    assert temporary.name == "b.json" and temporary.parent == chapter.smoke_folder and temporary.is_absolute()
    with pytest.raises(UserError, match="exclude each other"):
        helper._Mode(smoke=True, publish=True)


def test_an_evaluation_stays_with_the_reader_and_is_not_repeated_for_the_same_weights(
    helper: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = load(ROOT / "results/recipes/sac_her_FetchPush-v4/seed0_eval.json", EvalReport)
    asked: list[str] = []
    monkeypatch.setattr("eval.evaluate", lambda config: asked.append(config.json_out) or kept)
    monkeypatch.setattr("eval.describe", lambda report: "described")
    checkpoint, chapter = Path("A.zip"), helper.Chapter("ch09", "?")
    checkpoint.write_bytes(b"weights")
    save("runs/ch09/a_eval.json", kept.model_copy(update={"checkpoint_sha256": sha256(b"weights")}))
    for mode in (helper.DEFAULT, helper._Mode(publish=True)):
        path = chapter.evaluated(checkpoint, "FetchPush-v4", len(kept.seeds), mode)
        assert str(path) == "runs/ch09/a_eval.json" and not asked
    chapter.evaluated(checkpoint, "FetchPush-v4", len(kept.seeds) - 1)
    checkpoint.write_bytes(b"others")
    chapter.evaluated(checkpoint, "FetchPush-v4", len(kept.seeds))
    assert asked == ["runs/ch09/a_eval.json"] * 2


def test_a_command_is_named_after_its_function_and_its_report_counts_its_time(helper: ModuleType) -> None:
    chapter = helper.Chapter("ch09", "?")

    @chapter.command
    def two_words(mode: object = helper.DEFAULT) -> int:
        time.sleep(0.05)
        chapter.write("found", {"n": 1}, mode, config={"k": 2}, seeds=[3])
        return 0

    time.sleep(0.2)
    assert chapter.commands["two-words"]() == 0
    report = load("runs/ch09/found.json", DataReport)
    assert (report.data, report.config, report.seeds, report.name) == ({"n": 1}, {"k": 2}, [3], "found")
    assert 0.05 <= report.wall_clock_s < 0.2


def test_all_continues_with_the_step_that_failed(helper: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    chapter, ran, works = helper.Chapter("ch09", "?"), [], False

    def first() -> dict[str, int]:
        ran.append("first")
        return {"n": 7}

    def second() -> int:
        ran.append("second")
        return 0 if works else 3

    steps = {"first": first, "second": second}
    assert chapter.run_all(steps) == 3
    assert load("runs/ch09/all.json", DataReport).status == "failed"
    works = True
    assert chapter.run_all(steps, next_command="go on") == 0
    assert ran == ["first", "second", "second"] and capsys.readouterr().out.endswith("next:\n  go on\n")
    report = load("runs/ch09/all.json", DataReport)
    assert report.status == "finished" and report.data["steps"]["first"]["facts"] == {"n": 7}
    # What is finished is done again from its beginning, and so is what other code began.
    chapter.run_all(steps)
    assert ran[3:] == ["first", "second"]
    works = False
    chapter.run_all(steps)
    state = json.loads(Path("runs/ch09/all.json").read_text())
    Path("runs/ch09/all.json").write_text(json.dumps(state | {"commit": "0" * 40}))
    chapter.run_all(steps)
    assert ran[5:] == ["first", "second"] * 2


def test_all_does_again_what_was_done_with_other_arguments_or_by_other_code(
    helper: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    chapter, ran = helper.Chapter("ch09", "?"), []

    def run_all(episodes: int) -> int:
        return chapter.run_all({"first": partial(ran.append, episodes), "second": lambda: 3})

    for episodes in (100, 100, 500):
        run_all(episodes)
    assert ran == [100, 500]
    monkeypatch.setattr("persistence.continued_steps.code_hash", lambda: "edited")
    run_all(500)
    assert ran == [100, 500, 500]


def test_all_that_fails_leaves_what_was_published(helper: ModuleType) -> None:
    chapter, published = helper.Chapter("ch09", "?"), helper._Mode(publish=True)
    steps = {"first": lambda: 0, "second": lambda: 0}
    assert chapter.run_all(steps, published) == 0
    assert chapter.run_all(steps | {"second": lambda: 3}, published) == 3
    assert load("results/ch09_all.json", DataReport).status == "finished"
    assert load("runs/ch09/all.json", DataReport).status == "failed"


def test_publishing_less_than_what_is_published_is_refused(helper: ModuleType) -> None:
    chapter, published = helper.Chapter("ch09", "?"), helper._Mode(publish=True)
    more = {"Reach": {"policy": 1, "scripted": [1, 2]}, "Push": {"policy": 1}}
    chapter.write("found", more, published, seeds=[0, 1])
    less = ({"Reach": more["Reach"]}, more | {"Reach": {"policy": 1}})
    for data, seeds, lost in (*((part, [0, 1], "data.") for part in less), (more, [0], "seed 1")):
        with pytest.raises(UserError, match=lost):
            chapter.write("found", data, published, seeds=seeds)
    chapter.write("found", less[0], helper.DEFAULT, seeds=[0])
    chapter.write("found", more | {"Reach": {"policy": 2, "scripted": [1]}}, published.private, seeds=[0, 1])
    assert load("results/ch09_found.json", DataReport).data == more
    # The same again, longer or shorter lists, and more of it are no loss.
    chapter.write("found", more | {"Reach": {"policy": 2, "scripted": [1]}, "Slide": {}}, published, seeds=[0, 1, 2])
    assert load("results/ch09_found.json", DataReport).data["Reach"]["policy"] == 2


KILLED = """
import os, pathlib, signal
from chapter import Chapter
def second():
    if not pathlib.Path("again").exists():
        os.kill(os.getpid(), signal.SIGKILL)
print(Chapter("ch09", "?").run_all({"first": lambda: print("FIRST"), "second": second}))
"""


def test_all_continues_after_a_kill(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'scripts'}"}
    words = [sys.executable, "-c", KILLED]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL
    (tmp_path / "again").touch()
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert "FIRST" not in done.stdout and "first done already" in done.stdout and done.stdout.endswith("0\n")


def test_a_mistake_that_a_called_script_tells_is_told_once(
    helper: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    """The status of the script that was called, and its line alone: whose flag it was does not matter to a reader."""
    chapter = helper.Chapter("ch09", "?")
    assert guarded(lambda: chapter.call("scripts/benchmark.py", "--part", "nothing")) == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("error: ") and "nothing" in line


@pytest.mark.parametrize("status", [130, 143, -signal.SIGINT, -signal.SIGTERM])
def test_a_command_that_a_signal_ended_was_interrupted(status: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        check_status(status, "train.py", [])


def test_a_finished_run_is_not_repeated_and_another_one_is_refused(
    helper: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    chapter, words = helper.Chapter("ch09", "?"), ["--algo", "ppo", "--env", "FetchReachDense-v4", "--track", "none"]
    small = [*words, "--total-steps", "200", "--n-envs", "2", "--n-steps", "100", "--batch-size", "50",
             "--eval-every", "0"]  # fmt: skip
    first = chapter.train(*small, out="policy")
    again = chapter.train(*small, out="policy")
    assert first == again and first.status == "finished"
    assert capfd.readouterr().out.count("policy.zip is trained already: 200 steps") == 1
    with pytest.raises(ToldAlready, match="ended with status 2"):
        chapter.train(*small, "--gamma", "0.5", out="policy")
    assert "gamma" in capfd.readouterr().err
    other = chapter.train(*small, "--gamma", "0.5", "--overwrite", out="policy")
    assert other.config["gamma"] == 0.5
    assert chapter.train(*small, out="policy", given="elsewhere/mine").config["gamma"] != 0.5
    assert Path("elsewhere/mine.zip").exists()


INTERRUPTED = """
import sys
from chapter import Chapter
from common.cli import guarded
print("begins", flush=True)
sys.exit(guarded(lambda: Chapter("ch09", "?").train(
    "--algo", "ppo", "--env", "FetchReachDense-v4", "--total-steps", "2000000", "--track", "none", out="policy")))
"""


@pytest.mark.parametrize("to_all", [True, False], ids=["Ctrl-C to both", "SIGTERM to the script"])
def test_an_interrupted_script_lets_its_run_save(to_all: bool, tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'scripts'}"}
    script = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    meta, limit = tmp_path / "runs/ch09/policy.meta.json", time.monotonic() + 60
    while not meta.exists() and time.monotonic() < limit:
        time.sleep(0.05)
    if to_all:
        os.killpg(script.pid, signal.SIGINT)
    else:
        script.terminate()
    assert script.wait(timeout=60) == 130
    assert json.loads(meta.read_text())["status"] == "interrupted"
