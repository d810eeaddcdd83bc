"""The deployment checklist as one HTML page that a person can read: the verdict, each test, and every perturbation.

The page needs nothing but itself: no script, no font and no picture from elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from analysis.compare import format_rate
from analysis.readiness import JOINT_SPEEDS, limit_of, limit_text, number_text, workspace_of
from analysis.reports import DataReport, Rate

STYLE = """
:root { --pass: #00714f; --fail: #b03a00; --ink: #1b1b1b; --grey: #595959; --line: #d8d8d8; }
body { font: 16px/1.5 system-ui, "DejaVu Sans", sans-serif; color: var(--ink); background: #fff; max-width: 62rem;
       margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2rem; }
.verdict { border-left: .5rem solid; padding: .6rem 1rem; margin: 1rem 0; background: #f6f6f6; }
.verdict strong { font-size: 1.3rem; } .pass { color: var(--pass); } .fail { color: var(--fail); }
.verdict ul { margin: 0; padding-left: 1.4rem; } .grey, small { color: var(--grey); } pre { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .4rem .6rem; border-bottom: 1px solid var(--line); }
.number { white-space: nowrap; text-align: right; } td small { display: block; }
td.bar { width: 40%; min-width: 12rem; padding-top: .75rem; }
.track { position: relative; height: .8rem; background: #eee; }
.interval { position: absolute; height: .8rem; background: #56b4e9; }
.rate { position: absolute; width: 3px; height: 1.2rem; top: -.2rem; margin-left: -1px; background: var(--ink); }
.limit { position: absolute; width: 0; height: 1.2rem; top: -.2rem; border-left: 2px dashed var(--fail); }
"""


def page(report: DataReport) -> str:
    """The page of a report whose `data` is that of `evaluation.deployment.examine`."""
    data = report.data
    verdict, name = data["verdict"], escape(data["policy"])
    ready = verdict["ready"]
    passed = sum(line["passed"] for line in verdict["checks"])
    reasons = "".join(f"<li>{escape(_reason(line))}</li>" for line in verdict["checks"] if not line["passed"])
    said = f"all {passed} tests passed" if ready else f"{passed} of {len(verdict['checks'])} tests passed"
    commit = escape((report.commit or "no commit")[:12]) + (" with changes" if report.dirty else "")
    versions = ", ".join(f"{escape(k)} {escape(v)}" for k, v in report.versions.items() if v)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Deployment readiness of {name}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>Deployment readiness of {name}</h1>
<p class="grey">{escape(report.env_id or "")}, {escape(report.created)}</p>
<div class="verdict {_word(ready)}"><strong>{"Ready" if ready else "Not ready"}</strong>: {said}.
{f"Failed:<ul>{reasons}</ul>" if reasons else ""}</div>
<h2>Tests</h2>
<table>
<thead><tr><th></th><th>test</th><th>measured</th><th class="number">limit</th></tr></thead>
<tbody>
{"".join(_check(line) for line in verdict["checks"])}</tbody>
</table>
<p><small>“Lower end” is that of the 95% interval (Wilson). A delay is survived where the lower end of its success, and
of each shorter one's, is at least {100 * limit_of("worst_factor"):.0f}%. Workspace, m: {_box(report.env_id or "")}.
Limits of the joints from shoulder to wrist, rad/s: {", ".join(f"{speed:g}" for speed in JOINT_SPEEDS)}.</small></p>
<h2>Success robot by robot</h2>
<p>Episodes that begin solved are left out. The bar is the 95% interval, the black line the rate. The dashed line is the
limit, which the lower end of the interval must reach: {100 * limit_of("success"):.0f}% for the nominal robot,
{100 * limit_of("worst_factor"):.0f}% with each factor and with a delay of {limit_of("delay_margin"):.0f} step,
{100 * limit_of("lost_view"):.0f}% with a lost view. Longer delays have no limit: they show where success ends.</p>
<table>
<thead><tr><th>robot</th><th>0% to 100%</th><th class="number">successes</th></tr></thead>
<tbody>
{"".join(_point(point) for point in data["points"])}</tbody>
</table>
<h2>Where this comes from</h2>
<pre class="grey">{escape(report.command)}</pre>
<p class="grey">Commit {commit}; checkpoint
<code>{escape((data["checkpoint_sha256"] or "")[:16])}</code>; {versions}; {escape(report.hardware.cpu)},
{report.hardware.cores} cores.</p>
<p class="grey">A simulated robot passed or failed these tests. They say what to expect of a real one as far as it lies
within the ranges above, and nothing about what was not varied: cameras, cables, people.</p>
</body>
</html>
"""


def _word(passed: bool) -> str:
    return "pass" if passed else "fail"


def _reason(line: Mapping[str, Any]) -> str:
    return f"{line['title'][0].lower()}{line['title'][1:]}: {number_text(line['value'], line['unit'])}"


def _box(env_id: str) -> str:
    return ", ".join(
        f"{axis} {low:g} to {high:g}" for axis, low, high in zip("xyz", *workspace_of(env_id), strict=True)
    )


def _check(line: Mapping[str, Any]) -> str:
    word = _word(line["passed"])
    return (
        f'<tr><td class="{word}"><strong>{word}</strong></td>'
        f"<td>{escape(line['title'])}<small>{escape(line['why'])}</small></td>"
        f"<td>{escape(number_text(line['value'], line['unit']))}<small>{escape(line['detail'])}</small></td>"
        f'<td class="number">{escape(limit_text(line))}</td></tr>\n'
    )


def _point(point: Mapping[str, Any]) -> str:
    found = Rate(**point["success"])
    low, width = 100 * found.low, 100 * (found.high - found.low)
    marks = [f'<div class="interval" style="left:{low:.1f}%;width:{width:.1f}%"></div>']
    if point["limit"] is not None:
        marks.append(f'<div class="limit" style="left:{100 * point["limit"]:.1f}%"></div>')
    if found.rate is not None:
        marks.append(f'<div class="rate" style="left:{100 * found.rate:.1f}%"></div>')
    wrap = f"<small><code>{escape(point['wrap'])}</code></small>" if point["wrap"] else ""
    return (
        f"<tr><td>{escape(point['name'])}{wrap}</td>"
        f'<td class="bar"><div class="track">{"".join(marks)}</div></td>'
        f'<td class="number">{escape(format_rate(found))}</td></tr>\n'
    )
