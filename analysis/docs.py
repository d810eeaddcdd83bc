"""Fills numbers and code in the Markdown pages from reports and sources.

    python -m analysis.docs            # rewrite README.md and tutorials/*.md
    python -m analysis.docs --check    # exit status 1 where a page differs

Eight marks, invisible on a rendered page; what stands between a mark and its end is generated:

    <!--value results/x.json aggregate.success rate-->…<!--/value-->   a number of a report, in a format (see `show`)
    <!--code scripts/labs/y.py region-->…<!--/code-->                  a named region of a lab, as a code block
    <!--lines results/x.json data.printed-->…<!--/lines-->             printed lines, or a part such as …printed.2:5
    <!--chapters-->…<!--/chapters-->                                   the roadmap, from tutorials/chapters.yaml
    <!--results-->…<!--/results-->                                     a row for each sparse task, from results/recipes/
    <!--recipes-->…<!--/recipes-->                                     all measured recipes, every seed
    <!--sweep results/sweeps/z.json-->…<!--/sweep-->                   every run of a sweep, a row a variant
    <!--arms results/w.json-->…<!--/arms-->                            every run of a comparison, a row an arm

No line may begin with a value's mark: a comment at the beginning of a line opens an HTML block, in which Markdown is
not read, and the paragraph falls apart. A rate in running text has the format `prose`.

A region of a lab lies between the comments `# --8<-- [start:name]` and `# --8<-- [end:name]`.
"""

from __future__ import annotations

import json
import re
import sys
import textwrap
from pathlib import Path
from typing import Any

import yaml

from analysis.compare import format_rate
from analysis.reports import Hardware, Rate
from analysis.runs import machine
from common.dotted import look_up
from common.errors import UserError
from common.files import write_atomically
from common.plain_flags import Parser
from common.renamed import today

VALUE = re.compile(r"<!--value (\S+) (\S+) (\S+?)-->(.*?)<!--/value-->", re.S)
CODE = re.compile(r"<!--code (\S+) (\S+?)-->(.*?)<!--/code-->", re.S)
RECIPES = re.compile(r"<!--recipes-->(.*?)<!--/recipes-->", re.S)
LINES = re.compile(r"<!--lines (\S+) (\S+?)-->(.*?)<!--/lines-->", re.S)
RESULTS = re.compile(r"<!--results-->(.*?)<!--/results-->", re.S)
SWEEP = re.compile(r"<!--sweep (\S+?)-->(.*?)<!--/sweep-->", re.S)
ARMS = re.compile(r"<!--arms (\S+?)-->(.*?)<!--/arms-->", re.S)
# Also at the beginning of a line of a quotation or a list, where it does the same.
AT_LINE_START = re.compile(r"^(?:[ \t>*+-]|\d+[.)])*<!--value .*$", re.M)
CHAPTERS = re.compile(r"<!--chapters-->(.*?)<!--/chapters-->", re.S)


def show(value: Any, form: str) -> str:
    """A value as text.

    `rate`: a rate with its n and interval, for tables; `prose`: the same for running text; `mean`: a mean over seeds
    with its interval, which does not exist where all seeds agree; `points`: a difference of two rates with its
    interval; `span`: a value with its interval; `mm`: the same of metres, in mm, with "over" where it lies beyond what
    was measured, and without an interval where it surely does; `percent`; `minutes`, `seconds` and `ms` from seconds;
    `hardware`: the machine in words; `text`;
    anything else is a Python format such as `.3f` or `,d`.
    """
    if value is None:
        return "not measured"
    if form == "rate":
        return format_rate(Rate.model_validate(value))
    if form == "prose":
        rate = Rate.model_validate(value)
        low, high = 100 * rate.low, 100 * rate.high
        return f"{100 * rate.rate:.1f}% ({rate.successes} of {rate.n}; 95% interval {low:.1f} to {high:.1f})"
    if form == "mean":
        if value["high"] - value["low"] < 1e-9:
            return f"{100 * value['mean']:.1f}% on each"
        return f"{100 * value['mean']:.1f}% [{100 * value['low']:.1f}, {100 * value['high']:.1f}]"
    if form == "points":
        mean, low, high = (100 * value[key] for key in ("difference", "low", "high"))
        return f"{mean:.1f} points (95% interval {low:.1f} to {high:.1f})"
    if form == "span":
        if value["high"] == value["low"]:
            # All outcomes are alike, and a bootstrap of them knows of no others: that is no interval.
            return f"{value['value']:.2f} in every resample"
        return f"{value['value']:.2f} [{value['low']:.2f}, {value['high']:.2f}]"
    if form == "mm":
        middle, low, high = (1000 * value[key] for key in ("value", "low", "high"))
        if high == 0:
            return "below half at 0"
        if low == high and value.get("beyond"):
            return f"beyond {middle:.0f} mm"
        return f"{'over ' if value.get('beyond') else ''}{middle:.1f} mm [{low:.1f}, {high:.1f}]"
    if form == "percent":
        return f"{100 * value:.1f}%"
    if form == "minutes":
        return f"{value / 60:.1f} min"
    if form == "seconds":
        return f"{value:.0f} s"
    if form == "ms":
        return f"{1000 * value:.2f} ms"
    if form == "hardware":
        return machine(Hardware.model_construct(**value))
    if form == "text":
        return str(value)
    if form == "lines":
        return value if isinstance(value, str) else "\n".join(value)
    return format(value, form)


def number(root: Path, file: str, path: str, form: str) -> str:
    """What a value mark shows. Raises `UserError` where the report or the path in it is not there, or not whole."""
    try:
        report = json.loads((root / file).read_text(encoding="utf-8"))
        value = look_up(report, path)
        if path == "wall_clock_s" and report.get("status", "finished") != "finished":
            raise ValueError(f"its command is {report['status']}, so how long it takes is not known")
        # A run without this number was measured all the same: it never got there.
        return "not reached" if value is None and path.endswith("_to_95") else show(value, form)
    except OSError:
        raise UserError(f"{file} does not exist; the command that makes it is in the page that shows it.") from None
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise UserError(f"{file}: {path} as {form}: {error!r}") from None


def region(root: Path, file: str, name: str) -> str:
    """The dedented source of a named region of a lab. Raises `UserError` where it is not there exactly once."""
    source = (root / file).read_text(encoding="utf-8")
    start, end = rf"^[ \t]*# --8<-- \[start:{re.escape(name)}\]\n", rf"^[ \t]*# --8<-- \[end:{re.escape(name)}\]$"
    found = re.findall(start + r"(.*?)" + end, source, re.S | re.M)
    if len(found) != 1:
        raise UserError(f"{file}: region {name} is there {len(found)} times; it must be there once.")
    return textwrap.dedent(found[0]).rstrip()


def chapter_table(root: Path) -> str:
    """The roadmap: every chapter with what it teaches and how long it takes; a link where its page is ready."""
    rows = ["| chapter | question | afterwards you can | hours | status |", "| --- | --- | --- | --- | --- |"]
    for chapter in yaml.safe_load((root / "tutorials/chapters.yaml").read_text(encoding="utf-8")):
        page, name, status = root / "tutorials" / chapter["page"], chapter["name"], "planned"
        # A page that does not say yet when its reader is done is still being written.
        if page.exists() and "done when" in page.read_text(encoding="utf-8").lower():
            name, status = f"[{name}](tutorials/{chapter['page']})", "ready"
            # A report that is named must be there; a chapter whose commands were run one by one names none.
            if "report" in chapter:
                status += f"; its script takes {number(root, chapter['report'], 'wall_clock_s', 'minutes')}"
        rows.append(f"| {name} | {chapter['question']} | {chapter['after']} | {chapter['hours']} | {status} |")
    return "\n".join(rows)


def result_table(root: Path) -> str:
    """One row for each sparse task: what the recipe of SAC with hindsight reaches over its seeds."""
    rows = [
        "| task | seeds | steps to 95%, median | training until then | final success, worst seed | all seeds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for task in ("Reach", "Push", "PickAndPlace", "Slide"):
        path = root / f"results/recipes/sac_her_Fetch{task}-v4.json"
        if not path.exists():
            continue
        data = json.loads(path.read_text(encoding="utf-8"))["data"]
        rates = [Rate.model_validate(seed["success"]) for seed in data["seeds"]]
        worst = min(rates, key=lambda rate: rate.rate or 0.0)
        crossed = f"{data['median_steps_to_95']:,.0f}" if data["median_steps_to_95"] else "not reached"
        minutes = _short(data["median_minutes_to_95"])
        every = ", ".join(f"{100 * (rate.rate or 0.0):.1f}" for rate in rates)
        rows.append(f"| {task} | {len(rates)} | {crossed} | {minutes} | {format_rate(worst)} | {every}% |")
    return "\n".join(rows)


def _short(minutes: float | None) -> str:
    """A time of training in minutes, or in seconds where it is below one; empty for None."""
    if minutes is None:
        return ""
    return f"{minutes:.1f} min" if minutes >= 1 else f"{60 * minutes:.0f} s"


def recipe_table(root: Path) -> str:
    """The table of recipes: every seed, when it crossed 95%, and its final checkpoint over held-out episodes."""
    rows = [
        "| recipe | seed | 95% reached after | training until then | final success | without solved starts | machine |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for path in sorted((root / "results/recipes").glob("*.json")):
        data = json.loads(path.read_text(encoding="utf-8"))["data"]
        for seed in data["seeds"]:
            crossed = f"{seed['steps_to_95']:,} steps" if seed["steps_to_95"] else f"not in {seed['steps']:,} steps"
            time = f"{60 * seed['minutes_to_95']:.0f} s" if seed["minutes_to_95"] else ""
            final = " | ".join(format_rate(Rate.model_validate(seed[key])) for key in ("success", "success_net"))
            rows.append(f"| `{data['recipe']}` | {seed['seed']} | {crossed} | {time} | {final} | {data['machine']} |")
    return "\n".join(rows)


def sweep_table(root: Path, file: str) -> str:
    """A row for each variant of a sweep: what it changes, and what the final checkpoint of each seed reaches.

    Raises `UserError` where the report does not exist or a run in it is not finished.
    """
    try:
        data = json.loads((root / file).read_text(encoding="utf-8"))["data"]
    except OSError:
        raise UserError(f"{file} does not exist; run the sweep first: python scripts/sweep.py.") from None
    seeds = data["variants"][0]["seeds"]
    rows = ["| variant | changes | " + " | ".join(f"seed {seed}" for seed in seeds) + " |",
            "| --- | --- |" + " --- |" * len(seeds)]  # fmt: skip
    for variant in data["variants"]:
        own = {row["seed"]: row for row in data["rows"] if row["variant"] == variant["variant"]}
        if any(own[seed]["success"] is None for seed in seeds):
            raise UserError(f"{file}: {variant['variant']} is not finished.")
        reached = " | ".join(_with_net(own[seed]) for seed in seeds)
        settings = today(variant["settings"]).items()
        changes = " ".join(f"`--{key.replace('_', '-')} {_flag(value)}`" for key, value in settings)
        rows.append(f"| {variant['variant'].replace('_', ' ')} | {changes} | {reached} |")
    return "\n".join(rows)


def arm_table(root: Path, file: str) -> str:
    """A row for each arm of a comparison, a line in it for each seed; a run that was stopped says where.

    Raises `UserError` where the report does not exist.
    """
    try:
        data = json.loads((root / file).read_text(encoding="utf-8"))["data"]
    except OSError:
        raise UserError(f"{file} does not exist; the command that makes it is in the page that shows it.") from None
    rows = ["| arm | steps to 95% | training | final success | ρ |", "| --- | --- | --- | --- | --- |"]
    for arm, found in data["arms"].items():
        runs = found["runs"]
        crossed = "<br>".join(f"{run['steps_to_95']:,}" if run["steps_to_95"] else _not_in(run) for run in runs)
        minutes = "<br>".join(_short(run["training_s"] and run["training_s"] / 60) for run in runs)
        rates = "<br>".join(format_rate(Rate.model_validate(run["success"])) for run in runs)
        rows.append(f"| `{arm}` | {crossed} | {minutes} | {rates} | {found['rho'] or 'none'} |")
    return "\n".join(rows)


def _not_in(run: dict[str, Any]) -> str:
    return f"not in {run['steps']:,}" + ("" if run["status"] == "finished" else ", stopped there")


def _with_net(row: dict[str, Any]) -> str:
    """Success, and where some episodes began solved, that of the others."""
    total, net = Rate.model_validate(row["success"]), Rate.model_validate(row["success_net"])
    return format_rate(total) if net.n == total.n else f"{format_rate(total)}<br>net {format_rate(net)}"


def _flag(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def fill(text: str, root: Path) -> str:
    """The page with everything between marks generated afresh. Raises `UserError` on a mark that would not render."""
    if broken := AT_LINE_START.search(text):
        line = text[: broken.start()].count("\n") + 1
        raise UserError(f"line {line} begins with a mark, which opens an HTML block; put the mark into the line above.")

    def value(match: re.Match[str]) -> str:
        file, path, form = match.group(1, 2, 3)
        return f"<!--value {file} {path} {form}-->{number(root, file, path, form)}<!--/value-->"

    def code(match: re.Match[str]) -> str:
        file, name = match.group(1, 2)
        return f"<!--code {file} {name}-->\n```python\n{region(root, file, name)}\n```\n<!--/code-->"

    def lines(match: re.Match[str]) -> str:
        file, path = match.group(1, 2)
        return f"<!--lines {file} {path}-->\n```text\n{number(root, file, path, 'lines')}\n```\n<!--/lines-->"

    text = LINES.sub(lines, VALUE.sub(value, text))
    text = CODE.sub(code, text)
    text = SWEEP.sub(lambda m: f"<!--sweep {m[1]}-->\n{sweep_table(root, m[1])}\n<!--/sweep-->", text)
    text = ARMS.sub(lambda m: f"<!--arms {m[1]}-->\n{arm_table(root, m[1])}\n<!--/arms-->", text)
    text = RESULTS.sub(lambda _: f"<!--results-->\n{result_table(root)}\n<!--/results-->", text)
    text = RECIPES.sub(lambda _: f"<!--recipes-->\n{recipe_table(root)}\n<!--/recipes-->", text)
    return CHAPTERS.sub(lambda _: f"<!--chapters-->\n{chapter_table(root)}\n<!--/chapters-->", text)


def pages(root: Path) -> list[Path]:
    """All pages that may hold marks."""
    return [root / "README.md", *sorted((root / "tutorials").glob("*.md"))]


def main(argv: list[str] | None = None) -> int:
    """Fill all pages, or check them; returns the exit status."""
    parser = Parser(prog="python -m analysis.docs", description="Fill numbers and code into pages.")
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 where a page would change")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1], help="the project's root")
    arguments = parser.parse_args(argv)
    stale = 0
    for page in pages(arguments.root):
        try:
            old = page.read_text(encoding="utf-8")
            new = fill(old, arguments.root)
        except UserError as error:
            print(f"error: {page.name}: {error}", file=sys.stderr)
            return 2
        if new != old:
            stale = 1
            print(f"{page.name} {'is stale; run python -m analysis.docs' if arguments.check else 'filled'}")
            if not arguments.check:
                write_atomically(page, new)
    return stale if arguments.check else 0


if __name__ == "__main__":
    sys.exit(main())
