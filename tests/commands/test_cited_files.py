"""What a page cites is in git: a report or picture that only its writer has shows an author's page and no reader's.

`.gitignore` hides some names that reports may have (`results/*_eval.json`), and a file that is hidden still exists
where it was made, so that filling the page from it works there and nowhere else.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from analysis import docs

ROOT = Path(__file__).resolve().parents[2]
PAGES = [page.relative_to(ROOT) for page in [*docs.pages(ROOT), ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]]
# Marks name files from the project's root, links from the page's folder.
MARK = re.compile(r"<!--(?:value|lines|code|sweep|arms) (\S+?)(?: [^>]*)?-->")
LINK = re.compile(r"\]\(([^)#\s]+)|<img [^>]*?src=\"([^\"]+)\"")


def cited(text: str, folder: str) -> set[str]:
    """The files and folders, from the project's root, that a page in `folder` names in marks, links and pictures."""
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.S | re.M)
    links = [first or second for first, second in LINK.findall(prose)]
    own = [link for link in links if not link.startswith(("http", "mailto"))]
    return {*MARK.findall(text), *(os.path.normpath(f"{folder}/{link}") for link in own)}


@pytest.fixture(scope="module")
def tracked() -> set[str]:
    """What git tracks, and the folders that hold it."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout")
    words = ["git", "ls-files", "-z"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    files = done.stdout.rstrip("\0").split("\0")
    return {*files, *(str(folder) for name in files for folder in Path(name).parents)}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_git_tracks_every_file_that_a_page_cites(page: Path, tracked: set[str]) -> None:
    missing = cited((ROOT / page).read_text(encoding="utf-8"), str(page.parent)) - tracked
    assert not missing, f"{page} cites what git does not track (git add it, with -f where it is ignored): {missing}"


def test_git_tracks_every_report_that_the_roadmap_names(tracked: set[str]) -> None:
    chapters = yaml.safe_load((ROOT / "tutorials/chapters.yaml").read_text(encoding="utf-8"))
    assert {chapter["report"] for chapter in chapters if "report" in chapter} - tracked == set()


def test_every_way_to_cite_is_seen() -> None:
    text = """
It takes <!--value results/a.json wall_clock_s minutes-->1<!--/value--> and
<!--value results/b.json x .2f-->2<!--/value-->.
<!--lines results/c.json data.printed.2:5-->
<!--sweep results/sweeps/d.json-->
<!--arms results/i.json-->
<!--code scripts/labs/e.py region-->
[![A picture](figures/f.png)](../videos/g.gif#top) and <img width="9" src="figures/h.png">, [here](#there),
[away](https://example.org/i.png) and
```python
rows[0](j)
```
"""
    assert cited(text, "tutorials") == {
        "results/a.json", "results/b.json", "results/c.json", "results/sweeps/d.json", "results/i.json",
        "scripts/labs/e.py", "tutorials/figures/f.png", "videos/g.gif", "tutorials/figures/h.png",
    }  # fmt: skip


def test_what_git_ignores_is_missing(tracked: set[str]) -> None:
    assert "results" in tracked and "README.md" in tracked
    assert cited("<!--value results/x_eval.json a b-->1<!--/value-->", ".") - tracked == {"results/x_eval.json"}
    assert any(name.startswith("results/") for name in cited((ROOT / "README.md").read_text(encoding="utf-8"), "."))
