"""The pages as a reader sees them: through a CommonMark renderer, as GitHub shows them."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from analysis import docs

ROOT = Path(__file__).resolve().parents[2]
PAGES = [page.relative_to(ROOT) for page in [*docs.pages(ROOT), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]]
MARKDOWN = MarkdownIt("commonmark").enable("table")
# Raw HTML that pages may use: comments on a line of their own, and folded parts.
RAW = re.compile(r"<!--.*?-->|</?details>|<summary>.*?</summary>|</?(?:p|div)(?: align=\"center\")?>|<img [^>]*>", re.S)


class Text(HTMLParser):
    """The text of a rendered page, comments left out, and what stands in any of the `skipped` tags."""

    def __init__(self, *skipped: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.skipped, self.depth = skipped, 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.depth += tag in self.skipped

    def handle_endtag(self, tag: str) -> None:
        self.depth -= tag in self.skipped

    def handle_data(self, data: str) -> None:
        if not self.depth:
            self.parts.append(data)


def raw_paragraphs(text: str) -> list[str]:
    """What is left of a page's HTML blocks without the tags that pages may use: text that was lost to Markdown."""
    blocks = [token.content for token in MARKDOWN.parse(text) if token.type == "html_block"]
    return [left for block in blocks if (left := RAW.sub("", block).strip())]


def shown(text: str) -> str:
    """What a reader sees of a page, code left out."""
    parser = Text("code", "pre")
    parser.feed(MARKDOWN.render(text))
    return "".join(parser.parts)


def words(text: str) -> int:
    """What a reader has to read of a page: prose, tables, code and transcripts; a formula is one word, an answer that
    is folded away none."""
    parser = Text("details")
    parser.feed(MARKDOWN.render(text))
    return len(re.findall(r"\S*\w\S*", re.sub(r"\$[^$]+\$", "formula", " ".join(parser.parts))))


@pytest.mark.parametrize("page", sorted(ROOT.glob("tutorials/ch*.md")), ids=lambda page: page.name)
def test_a_chapter_can_be_read_in_one_sitting(page: Path) -> None:
    assert 2_000 <= words(page.read_text(encoding="utf-8")) <= 3_500, "what is not needed belongs into an appendix"


def test_words_that_count() -> None:
    folded = "<details>\n<summary>S</summary>\n\nfive\n\n</details>\n"
    assert words(f"# A b\n\none $x + y$ – two\n\n```bash\nthree four\n```\n\n{folded}") == 7


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_paragraph_is_lost_to_html(page: Path) -> None:
    assert not raw_paragraphs((ROOT / page).read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_markup_is_left_for_the_reader_to_see(page: Path) -> None:
    """Stars, table bars, links and fences that did not become what they were meant to be."""
    text = re.sub(r"\$[^$\n]+\$", "", shown((ROOT / page).read_text(encoding="utf-8")))
    for mark in ("**", "](", "```", "| ---", "|---", "<!--", "$"):
        place = text.find(mark)
        assert place < 0, f"{page} shows {text[max(0, place - 60) : place + 60]!r}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_mathematics_survives_the_renderer(page: Path) -> None:
    """Display equations stand in fences; of an inline one Markdown takes no backslash and no underscore."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert "$$" not in text, "a display equation belongs into a ```math block"
    prose, seen = re.sub(r"^```.*?^```$|`[^`\n]*`", "", text, flags=re.S | re.M), shown(text)
    for formula in re.findall(r"\$([^$]+)\$", prose):
        assert formula.replace("\\|", "|") in seen, f"{page}: Markdown changes ${formula}$"


def test_the_checks_find_what_they_are_there_for() -> None:
    """A mark at the beginning of a line is what made paragraphs of these pages fall apart."""
    broken = "One\n<!--value a b c-->two<!--/value--> *three*.\n"
    assert raw_paragraphs(broken) == ["two *three*."]
    assert not raw_paragraphs("One <!--value a b c-->two<!--/value--> *three*.\n")
    assert "**" in shown("a **b** and ** c **\n") and "$a_{b*c}$" not in shown("*x* $a_{b*c}$ and $d*e$\n")


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_code_block_is_closed(page: Path) -> None:
    """A closing fence with text behind it closes nothing, and the prose that follows becomes code."""
    inside = False
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            assert line == "```" if inside else re.fullmatch(r"```[a-z]*", line), f"{page}: {line}"
            inside = not inside
    assert not inside
