"""Transcripts: which lines are kept, one command run, and that each belongs to a page that shows command and lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from analysis.reports import DataReport, load
from common.errors import TrainingFailure, UserError

ROOT = Path(__file__).resolve().parents[2]
PAGES = {page.name: page.read_text(encoding="utf-8") for page in (ROOT / "tutorials").glob("*.md")}
ENTRIES = yaml.safe_load((ROOT / "tutorials/transcripts.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def script(load_script: Callable[[str], ModuleType]) -> ModuleType:
    return load_script("transcripts")


def test_lines_are_kept_block_by_block(script: ModuleType) -> None:
    output = "ok    a: 1\nwarming up  \nok    b: 2\nfinished\n"
    assert script.kept(output, {"first": "^ok +a", "rest": "b:|^fin"}) == {
        "first": ["ok    a: 1"], "rest": ["ok    b: 2", "finished"],
    }  # fmt: skip
    with pytest.raises(UserError, match="block none"):
        script.kept(output, {"none": "c:"})


def test_a_command_is_run_and_reported(script: ModuleType, tmp_path: Path) -> None:
    entry = {"name": "help", "command": "python eval.py --help", "blocks": {"usage": "^usage: "}}
    report = load(script.record(entry, tmp_path), DataReport)
    assert report.data["usage"][0].startswith("usage: eval.py") and report.config["command"] == entry["command"]
    with pytest.raises(TrainingFailure, match="status 2: error: Missing from eval.py"):
        script.output_of("python eval.py --ckpt nothing.zip")


def test_an_unknown_name_is_told(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["ch03_verfy"]) == 2
    assert "ch03_verify" in capsys.readouterr().err


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry["name"] for entry in ENTRIES])
def test_the_page_shows_the_command_and_every_block(entry: dict) -> None:
    """The report was made by the command that stands on the page, and no block is kept that nobody reads."""
    assert f"bash docker/dev.sh {entry['command']}\n" in PAGES[entry["page"]]
    file = f"results/transcripts/{entry['name']}.json"
    assert load(ROOT / file, DataReport).config["command"] == entry["command"]
    shown = {block for text in PAGES.values() for block in re.findall(rf"<!--lines {file} data\.(\w+)", text)}
    assert shown == set(entry["blocks"])


def test_the_chapters_have_no_other_transcript() -> None:
    """A `text` block outside marks is pseudocode; it does not look like a command's output."""
    for page in sorted({entry["page"] for entry in ENTRIES}):
        generated = re.sub(r"<!--lines .*?<!--/lines-->", "", PAGES[page], flags=re.S)
        for block in re.findall(r"^```text\n(.*?)^```", generated, re.S | re.M):
            assert not re.search(r"\d of \d|^ok |\d steps", block, re.M), f"{page}: pasted output:\n{block}"
