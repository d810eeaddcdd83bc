"""Every exercise as a reader meets it: the stub says what to do, the page's solution passes, wrong answers do not.

Exercises, pages and wrong answers are found by their names (`scripts/exercises/chNN_k.py`, `tutorials/chNN_*.md`,
`tests/exercises/wrong/chNN.yaml`): a new one needs nothing here. How to write one: `common/exercises.py`.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
EXERCISES = {path.stem: path for path in sorted((ROOT / "scripts/exercises").glob("ch[0-9][0-9]_*.py"))}
WRONG = {
    name: answers
    for path in sorted((Path(__file__).parent / "wrong").glob("ch*.yaml"))
    for name, answers in yaml.safe_load(path.read_text(encoding="utf-8")).items()
}
DETAILS = re.compile(r"<details>(.*?)</details>", re.S)
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.S | re.M)


def calls(path: Path, name: str) -> list[ast.Call]:
    """The calls of a function of `common.exercises` in an exercise, top to bottom."""
    found = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return [node for node in found if isinstance(node.func, ast.Name) and node.func.id == name]


IMPLEMENT = [name for name, path in EXERCISES.items() if calls(path, "check")]
PREDICT = [name for name, path in EXERCISES.items() if calls(path, "predict")]


def stubs(path: Path) -> list[str]:
    """Names of the functions that the reader fills in."""
    return [call.args[0].id for call in calls(path, "check")]


def page_of(name: str) -> str:
    """The text of the exercise's chapter."""
    (page,) = (ROOT / "tutorials").glob(f"{name[:4]}_*.md")
    return page.read_text(encoding="utf-8")


def solution(name: str, function: str) -> str:
    """The one `python` block inside `<details>` of the exercise's page that defines `function`."""
    blocks = [block for details in DETAILS.findall(page_of(name)) for block in BLOCK.findall(details)]
    found = [block for block in blocks if f"def {function}(" in block]
    assert len(found) == 1, f"{name}: {len(found)} solutions of {function} inside <details> on the page"
    return found[0]


def filled(name: str, answers: dict[str, str]) -> str:
    """The exercise with each function of `answers` in place of its stub."""
    source = EXERCISES[name].read_text(encoding="utf-8")
    for function, code in answers.items():
        (node,) = [n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == function]
        lines = source.splitlines(keepends=True)
        source = "".join([*lines[: node.lineno - 1], code, *lines[node.end_lineno :]])
    return source


def execute(commands: Any, path: Path, *words: str) -> Any:
    """The exercise as a command, in a process that has PyTorch and the simulator imported already."""
    done = commands([str(path), *words], ROOT)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def execute_fresh(path: Path) -> subprocess.CompletedProcess[str]:
    """The exercise as a reader starts it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(path)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300
    )
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def test_exercises_were_found() -> None:
    """So that nothing below passes by finding nothing, and no wrong answer belongs to an exercise that is gone."""
    assert IMPLEMENT and set(WRONG) <= set(IMPLEMENT)
    assert sorted(IMPLEMENT + PREDICT) == sorted(EXERCISES), "an exercise calls check or predict"


@pytest.mark.parametrize("name", EXERCISES)
def test_the_page_names_the_command(name: str) -> None:
    assert f"python scripts/exercises/{name}.py" in page_of(name)
    assert f"python scripts/exercises/{name}.py" in EXERCISES[name].read_text(encoding="utf-8")


@pytest.mark.parametrize("name", IMPLEMENT)
def test_a_stub_says_what_to_do(name: str) -> None:
    done = execute_fresh(EXERCISES[name])
    assert done.returncode == 1 and done.stderr == ""
    assert done.stdout.startswith("not filled in yet: ") and len(done.stdout.splitlines()) == 1
    assert f"scripts/exercises/{name}.py, function {stubs(EXERCISES[name])[0]}" in done.stdout


@pytest.mark.parametrize("name", IMPLEMENT)
def test_the_solution_of_the_page_is_right(name: str, tmp_path: Path, commands: Any) -> None:
    path = tmp_path / f"{name}.py"
    path.write_text(filled(name, {function: solution(name, function) for function in stubs(EXERCISES[name])}))
    done = execute(commands, path)
    assert done.status == 0, done.stdout + done.stderr
    assert done.stdout.count("right: ") == len(stubs(EXERCISES[name]))


@pytest.mark.parametrize("name", IMPLEMENT)
def test_wrong_answers_are_told_why(name: str, tmp_path: Path, commands: Any) -> None:
    assert WRONG.get(name), f"tests/exercises/wrong/{name[:4]}.yaml holds no wrong answer for {name}"
    right = {function: solution(name, function) for function in stubs(EXERCISES[name])}
    for answer in WRONG[name]:
        assert sum(code.count(answer["replace"]) for code in right.values()) == 1, answer
        wrong = {function: code.replace(answer["replace"], answer["by"]) for function, code in right.items()}
        path = tmp_path / f"{name}.py"
        path.write_text(filled(name, wrong))
        done = execute(commands, path)
        assert done.status == 1, (answer["about"], done.stdout, done.stderr)
        assert answer["says"] in " ".join(done.stdout.split()), (answer["about"], done.stdout)


@pytest.mark.parametrize("name", PREDICT)
def test_a_prediction_is_compared(name: str, commands: Any) -> None:
    exercise = EXERCISES[name]
    asked, answered, mistyped = (execute(commands, exercise, *words) for words in ([], ["0.5"], ["x"]))
    assert asked.status == 1 and "Predict first" in asked.stdout
    measured = re.match(r"measured: (\S+); ", answered.stdout)
    assert measured and answered.status in (0, 1) and len(answered.stdout.splitlines()) >= 2
    assert execute(commands, exercise, measured[1].replace(",", "").rstrip("%")).status == 0
    assert mistyped.status == 2 and len(mistyped.stderr.strip().splitlines()) == 1
