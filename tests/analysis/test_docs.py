"""Generated parts of the pages: what is filled in, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from analysis import docs
from analysis.metrics import rate
from common.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "tutorials").mkdir()
    (tmp_path / "results/recipes").mkdir(parents=True)
    (tmp_path / "scripts/labs").mkdir(parents=True)
    rate = {"n": 100, "successes": 97, "rate": 0.97, "low": 0.915, "high": 0.99}
    machine = {"cores": 2, "cpu": "X", "gpu": None}
    (tmp_path / "results/a.json").write_text(
        json.dumps(
            {
                "rate": rate,
                "rows": [{"d": 0.0213, "steps_to_95": None, "pytest_s": None}],
                "wall_clock_s": 90,
                "hardware": machine,
                "alike": {"mean": 0.5, "low": 0.5, "high": 0.5},
                "over": {"mean": 0.8, "low": 0.7, "high": 0.9},
                "gain": {"difference": -0.03, "low": -0.08, "high": 0.02},
                "beyond": {"value": 0.05, "low": 0.05, "high": 0.05, "beyond": True},
                "sudden": {"value": 0.025, "low": 0.025, "high": 0.025, "beyond": False},
                "nothing": {"value": 0.0, "low": 0.0, "high": 0.0, "beyond": False},
                "size": {"value": 0.0182, "low": 0.016, "high": 0.02, "beyond": True},
            }
        )
    )
    (tmp_path / "scripts/labs/lab.py").write_text(
        "def f():\n    # --8<-- [start:body]\n    x = 1\n    if x:\n        return x\n    # --8<-- [end:body]\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("mark", "shown"),
    [
        ("results/a.json rate rate", "97 of 100 = 97.0% [91.5, 99.0]"),
        ("results/a.json over mean", "80.0% [70.0, 90.0]"),
        ("results/a.json alike mean", "50.0% on each"),
        ("results/a.json gain points", "-3.0 points (95% interval -8.0 to 2.0)"),
        ("results/a.json size mm", "over 18.2 mm [16.0, 20.0]"),
        ("results/a.json beyond mm", "beyond 50 mm"),
        ("results/a.json nothing mm", "below half at 0"),
        ("results/a.json sudden mm", "25.0 mm [25.0, 25.0]"),
        ("results/a.json nothing span", "0.00 in every resample"),
        ("results/a.json size span", "0.02 [0.02, 0.02]"),
        ("results/a.json rows.0.d .3f", "0.021"),
        ("results/a.json rows.0.steps_to_95 ,d", "not reached"),
        ("results/a.json rows.0.pytest_s seconds", "not measured"),
        ("results/a.json rate prose", "97.0% (97 of 100; 95% interval 91.5 to 99.0)"),
        ("results/a.json wall_clock_s minutes", "1.5 min"),
        ("results/a.json rows.0.d ms", "21.30 ms"),
        ("results/a.json hardware.0 text", "2"),
        ("results/a.json hardware hardware", "2 cores (X), no GPU"),
    ],
)
def test_values(root: Path, mark: str, shown: str) -> None:
    assert docs.fill(f"= <!--value {mark}-->old<!--/value-->", root) == f"= <!--value {mark}-->{shown}<!--/value-->"


def test_two_values_without_a_space_between_their_marks(root: Path) -> None:
    one = "<!--value results/a.json wall_clock_s .0f-->?<!--/value-->"
    assert docs.fill(f"= {one} and {one}", root) == f"= {one} and {one}".replace("?", "90")


@pytest.mark.parametrize("before", ["", "  ", "- ", "> ", "1. ", "> - "])
def test_a_mark_that_begins_a_line_is_refused(root: Path, before: str, capsys: pytest.CaptureFixture[str]) -> None:
    mark = "<!--value results/a.json wall_clock_s .0f-->90<!--/value-->"
    (root / "README.md").write_text(f"Ninety:\n{before}{mark} seconds.\n")
    assert docs.main(["--check", "--root", str(root)]) == 2
    assert "README.md: line 2 begins with a mark" in capsys.readouterr().err


def test_printed_lines_are_a_block(root: Path) -> None:
    (root / "results/b.json").write_text(json.dumps({"printed": {"one": ["ok    a  1", "ok    b  2"]}}))
    mark = "<!--lines results/b.json printed.one-->old<!--/lines-->"
    once = docs.fill(mark, root)
    assert "-->\n```text\nok    a  1\nok    b  2\n```\n<!--" in once and docs.fill(once, root) == once
    part = docs.fill("<!--lines results/b.json printed.one.1:-->old<!--/lines-->", root)
    assert "-->\n```text\nok    b  2\n```\n<!--" in part and docs.fill(part, root) == part


def test_code_is_dedented_and_filling_twice_changes_nothing(root: Path) -> None:
    mark = "<!--code scripts/labs/lab.py body--><!--/code-->"
    once = docs.fill(mark, root)
    assert "```python\nx = 1\nif x:\n    return x\n```" in once
    assert docs.fill(once, root) == once


@pytest.mark.parametrize("mark", ["results/none.json a .1f", "results/a.json rows.7.d .1f", "results/a.json rate .1f"])
def test_a_number_without_a_report_is_refused(root: Path, mark: str) -> None:
    with pytest.raises(UserError):
        docs.fill(f"= <!--value {mark}--><!--/value-->", root)


@pytest.mark.parametrize("status", ["running", "interrupted", "failed"])
def test_half_a_command_does_not_tell_how_long_it_takes(root: Path, status: str) -> None:
    (root / "results/half.json").write_text(json.dumps({"status": status, "wall_clock_s": 60.0, "data": {"n": 3}}))
    with pytest.raises(UserError, match=status):
        docs.fill("= <!--value results/half.json wall_clock_s minutes--><!--/value-->", root)
    assert "-->3<!--" in docs.fill("= <!--value results/half.json data.n d--><!--/value-->", root)


def test_a_region_that_is_not_there_is_refused(root: Path) -> None:
    with pytest.raises(UserError, match="0 times"):
        docs.region(root, "scripts/labs/lab.py", "nothing")


def test_check_finds_a_number_that_was_typed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = root / "README.md"
    page.write_text("It is <!--value results/a.json rows.0.d .3f-->0.019<!--/value-->.")
    assert docs.main(["--check", "--root", str(root)]) == 1
    assert "stale" in capsys.readouterr().out
    assert docs.main(["--root", str(root)]) == 0
    assert "0.021" in page.read_text()
    assert docs.main(["--check", "--root", str(root)]) == 0


def test_chapters_and_recipes_show_every_seed(root: Path) -> None:
    chapter = "- name: {0}\n  page: {0}.md\n  question: q?\n  after: do it\n  hours: 3\n"
    report = "  report: results/{0}.json\n"
    (root / "tutorials/chapters.yaml").write_text(
        "".join(chapter.format(n) + report.format(r) for n, r in (("ch00", "a"), ("ch01", "none"), ("ch02", "a")))
        + chapter.format("ch03")
    )
    (root / "tutorials/ch00.md").write_text("# Q?\n\n## Done when\n")
    (root / "tutorials/ch01.md").write_text("# Not written yet\n")
    (root / "tutorials/ch03.md").write_text("# Run command by command\n\n## Done when\n")
    seeds = [
        {"seed": 0, "steps": 10000, "steps_to_95": 4000, "minutes_to_95": 0.5,
         "success": {"n": 100, "successes": 97, "rate": 0.97, "low": 0.915, "high": 0.99},
         "success_net": {"n": 90, "successes": 87, "rate": 0.967, "low": 0.907, "high": 0.989}},
        {"seed": 1, "steps": 10000, "steps_to_95": None, "minutes_to_95": None,
         "success": {"n": 100, "successes": 10, "rate": 0.1, "low": 0.05, "high": 0.18},
         "success_net": {"n": 90, "successes": 0, "rate": 0.0, "low": 0.0, "high": 0.041}},
    ]  # fmt: skip
    (root / "results/recipes/r.json").write_text(
        json.dumps({"data": {"recipe": "r", "seeds": seeds, "machine": "2 cores"}})
    )
    task = {"seeds": seeds, "median_steps_to_95": 4000, "median_minutes_to_95": 0.5}
    (root / "results/recipes/sac_her_FetchPush-v4.json").write_text(json.dumps({"data": task}))
    results = docs.result_table(root).splitlines()[2:]
    assert results == ["| Push | 2 | 4,000 | 30 s | 10 of 100 = 10.0% [5.0, 18.0] | 97.0, 10.0% |"]
    (root / "results/recipes/sac_her_FetchPush-v4.json").unlink()
    table = docs.chapter_table(root)
    assert table.splitlines()[2:] == [
        "| [ch00](tutorials/ch00.md) | q? | do it | 3 | ready; its script takes 1.5 min |",
        "| ch01 | q? | do it | 3 | planned |",
        "| ch02 | q? | do it | 3 | planned |",
        "| [ch03](tutorials/ch03.md) | q? | do it | 3 | ready |",
    ]
    (root / "tutorials/ch01.md").write_text("# Written\n\n## Done when\n")
    with pytest.raises(UserError, match=r"results/none\.json does not exist"):
        docs.chapter_table(root)
    recipes = docs.recipe_table(root)
    assert "| 4,000 steps | 30 s | 97 of 100" in recipes and "| 87 of 90 = 96.7%" in recipes
    assert "| not in 10,000 steps |  | 10 of 100" in recipes and recipes.count("| 2 cores |") == 2


def test_a_sweep_shows_every_run(root: Path) -> None:
    def row(variant: str, seed: int, successes: int) -> dict:
        success, net = ([k < successes for k in range(first, 50)] for first in (0, 2 if variant == "small" else 0))
        return {"variant": variant, "seed": seed} | {
            "success": rate(success).model_dump(), "success_net": rate(net).model_dump()
        }  # fmt: skip

    data = {
        "variants": [{"variant": "all_of_it", "settings": {}, "seeds": [0, 1]},
                     {"variant": "small", "settings": {"net_arch": [8, 8], "tau": 0.1}, "seeds": [0, 1]}],
        "rows": [row("all_of_it", 0, 50), row("all_of_it", 1, 49), row("small", 1, 3), row("small", 0, 4)],
    }  # fmt: skip
    report = root / "results/sweep.json"
    report.write_text(json.dumps({"data": data}))
    page = root / "README.md"
    page.write_text("<!--sweep results/sweep.json--><!--/sweep-->")
    assert docs.main(["--root", str(root)]) == 0
    text = page.read_text()
    assert "| all of it |  | 50 of 50 = 100.0% [92.9, 100.0] |" in text
    assert "| small | `--net-arch 8 8` `--tau 0.1` | 4 of 50 = 8.0%" in text and "<br>net 2 of 48 = 4.2%" in text
    assert docs.main(["--check", "--root", str(root)]) == 0
    data["rows"][2]["success"] = None
    report.write_text(json.dumps({"data": data}))
    with pytest.raises(UserError, match="small is not finished"):
        docs.sweep_table(root, "results/sweep.json")
    with pytest.raises(UserError, match=r"none\.json does not exist"):
        docs.sweep_table(root, "results/none.json")


def test_a_comparison_of_arms_shows_every_seed_and_where_a_run_was_stopped(root: Path) -> None:
    def run(crossed: int | None, steps: int, status: str, successes: int) -> dict:
        success = rate([k < successes for k in range(50)]).model_dump()
        return {"steps_to_95": crossed, "steps": steps, "status": status, "training_s": 90.0, "success": success}

    arms = {
        "told": {"rho": 1.0, "runs": [run(2000, 6000, "finished", 50), run(2400, 6000, "finished", 49)]},
        "seen": {"rho": None, "runs": [run(None, 9000, "finished", 10), run(None, 4000, "interrupted", 3)]},
    }
    (root / "results/w.json").write_text(json.dumps({"data": {"arms": arms}}))
    page = root / "README.md"
    page.write_text("<!--arms results/w.json--><!--/arms-->")
    assert docs.main(["--root", str(root)]) == 0 == docs.main(["--check", "--root", str(root)])
    told, seen = page.read_text().splitlines()[3:5]
    assert told.startswith("| `told` | 2,000<br>2,400 | 1.5 min<br>1.5 min | 50 of 50 = 100.0%")
    assert told.endswith("| 1.0 |")
    assert "| not in 9,000<br>not in 4,000, stopped there |" in seen and seen.endswith("| none |")
    with pytest.raises(UserError, match=r"none\.json does not exist"):
        docs.arm_table(root, "results/none.json")
