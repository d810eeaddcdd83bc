"""Figures from logs and reports, one command each; each states how many episodes it is based on.

    python -m analysis.plots curve RUN.metrics.jsonl [MORE.metrics.jsonl …] --out curve.png [--x minutes] [--net]
    python -m analysis.plots distribution REPORT.json --out distribution.png
    python -m analysis.plots compare A.json B.json [MORE.json …] --out compare.png

The functions return a `matplotlib.figure.Figure` and touch no global state: nothing is shown, nothing needs a display.
"""

from __future__ import annotations

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis import reports
from analysis.compare import format_rate, format_summary
from analysis.logs import evaluations, labels, read_log
from analysis.reports import EvalReport, Evaluation
from common.errors import UserError
from common.files import write_atomically
from common.plain_flags import Parser

if TYPE_CHECKING:
    # Matplotlib takes a second to import, which `--help` need not wait for.
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with every common colour blindness; brown for its yellow, too pale for a line.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#7A4A12")
SOLVED, UNSOLVED, GREY = COLOURS[0], COLOURS[1], "#595959"
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
# m: `distance_threshold` of all Fetch tasks in gymnasium-robotics; reports hold the outcome, not the number itself.
FETCH_THRESHOLD = 0.05
# m: MuJoCo repeats no position better; keeps an exact zero on a logarithmic axis.
SMALLEST_DISTANCE = 1e-4


def distance_threshold(report: EvalReport) -> float:
    """Threshold of success in m: Fetch's own, unless the report's episodes were judged by another.

    Every episode says whether its final distance was inside, so the threshold lies between the largest distance inside
    and the smallest one outside; where Fetch's does not, the middle of that gap stands for it.
    """
    inside = max((e.final_distance for e in report.episodes if e.success_distance), default=0.0)
    outside = min((e.final_distance for e in report.episodes if not e.success_distance), default=None)
    if inside < FETCH_THRESHOLD and (outside is None or outside >= FETCH_THRESHOLD):
        return FETCH_THRESHOLD
    return inside if outside is None else (inside + outside) / 2


def new_figure(width: float, height: float, panels: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """An empty figure of `width` by `height` inches with `panels` axes in a row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = list(figure.subplots(1, panels, squeeze=False, **options)[0])
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(alpha=0.3, linewidth=0.6)
        one.set_axisbelow(True)
    return figure, axes


def episodes_text(counts: set[int]) -> str:
    """'100 episodes', or '20 to 100 episodes'."""
    low, high = min(counts), max(counts)
    return f"{low} episodes" if low == high else f"{low} to {high} episodes"


def curve_figure(runs: dict[str, list[Evaluation]], x: str = "steps", net: bool = False) -> Figure:
    """Success rate during training: one line and one Wilson 95% band a run.

    `x` is "steps" (environment steps) or "minutes" (of training, evaluations not counted). `net` leaves out the
    episodes that began solved. Raises `UserError` for a run without any evaluation to show.
    """
    from matplotlib.ticker import EngFormatter

    figure, (axes,) = new_figure(8, 4.5)
    counts: set[int] = set()
    for i, (name, run) in enumerate(runs.items()):
        rates = [(e, e.success_net if net else e.success) for e in run]
        known = [(e, rate) for e, rate in rates if rate.rate is not None]
        if not known:
            raise UserError(f"{name} has no evaluation yet; nothing to draw.")
        where = [e.steps if x == "steps" else e.wall_clock_s / 60 for e, _ in known]
        colour = COLOURS[i % len(COLOURS)]
        axes.fill_between(
            where, [100 * r.low for _, r in known], [100 * r.high for _, r in known],
            color=colour, alpha=0.15, linewidth=0,
        )  # fmt: skip
        axes.plot(
            where, [100 * r.rate for _, r in known], color=colour, linestyle=STYLES[(i // len(COLOURS)) % len(STYLES)],
            marker=MARKERS[i % len(MARKERS)], markersize=4, linewidth=1.8, label=name,
        )  # fmt: skip
        counts |= {rate.n for _, rate in known}
    axes.set_ylim(-2, 102)
    axes.set_xlim(left=0)
    axes.set_ylabel("success rate (%)")
    axes.set_xlabel("environment steps" if x == "steps" else "training time (minutes)")
    if x == "steps":
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    title = f"Success during training: n = {episodes_text(counts)} a point"
    if net:
        title += ", those solved at reset left out"
    axes.set_title(f"{title}\nband: Wilson 95% interval")
    # Below the axes, where no curve can run under it.
    figure.legend(loc="outside lower center", ncols=min(4, len(runs)), frameon=False)
    return figure


def _distance_panel(axes: Axes, report: EvalReport, threshold: float) -> None:
    """Histogram of final distances in cm, with the threshold on the edge of a bin."""
    distances = 100 * np.array([e.final_distance for e in report.episodes])
    # Whole parts of the threshold while they are few enough to see, whole multiples of it after that.
    parts = max(1, min(5, int(60 * 100 * threshold / max(distances.max(), 100 * threshold))))
    width = 100 * threshold / parts
    if distances.max() > 60 * width:
        width *= int(np.ceil(distances.max() / (60 * width)))
    edges = np.arange(0, max(distances.max(), 100 * threshold) + 2 * width, width)
    inside = np.array([e.success_distance for e in report.episodes])
    axes.hist(
        [distances[inside], distances[~inside]], bins=edges, stacked=True, color=[SOLVED, UNSOLVED],
        label=[f"inside: {inside.sum()}", f"outside: {(~inside).sum()}"],
    )  # fmt: skip
    label = f"threshold {100 * threshold:.3g} cm"
    axes.axvline(100 * threshold, color="black", linestyle="--", linewidth=1.2, label=label)
    axes.set_xlim(left=0)
    axes.set_xlabel("final distance to the goal (cm)")
    axes.set_title(f"Final distance: n = {len(distances)}")


def _time_panel(axes: Axes, report: EvalReport) -> None:
    """Histogram of the first solved step; the episodes that were never solved stand apart at the right."""
    episodes = report.episodes
    horizon = max(e.length for e in episodes)
    times = [e.time_to_success for e in episodes if e.time_to_success is not None and not e.solved_at_reset]
    at_reset = sum(e.solved_at_reset for e in episodes)
    never = sum(e.time_to_success is None for e in episodes)
    width = max(1, round(horizon / 25))
    # Steps count from 1; a bin holds `width` whole steps.
    bins = np.arange(0.5, horizon + width + 0.5, width)
    axes.hist(times, bins=bins, color=SOLVED, label=f"solved later: {len(times)}")
    margin = max(2.0, 0.08 * horizon)
    for where, count, colour, text in (
        (-1.5 * margin, at_reset, COLOURS[2], f"solved at reset: {at_reset}"),
        (horizon + width + 1.5 * margin, never, UNSOLVED, f"never solved: {never}"),
    ):
        axes.bar(where, count, width=margin, color=colour, label=text)
    ticks = [tick for tick in np.linspace(0, horizon, 6).round().astype(int) if tick > 0]
    axes.set_xticks([-1.5 * margin, *ticks, horizon + width + 1.5 * margin], ["at reset", *map(str, ticks), "never"])
    axes.set_xlabel("first solved (environment steps)")
    axes.set_title(f"Time to success: n = {len(episodes)}, {len(episodes) - never} ever solved")


def distribution_figure(name: str, report: EvalReport) -> Figure:
    """Where the episodes of one report ended, and when they were first solved. `UserError` without episodes."""
    from matplotlib.ticker import MaxNLocator

    if not report.episodes:
        raise UserError(f"{name} has no episodes; nothing to draw.")
    figure, (left, right) = new_figure(10, 4.3, panels=2)
    _distance_panel(left, report, distance_threshold(report))
    _time_panel(right, report)
    for axes in (left, right):
        axes.set_ylabel("episodes")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        # Under the panel, since bars may stand anywhere inside it.
        axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, fontsize=9)
    figure.suptitle(f"{name}, {report.env_id}: {format_rate(report.aggregate.success)} at the last step")
    return figure


def compare_figure(named: dict[str, EvalReport]) -> Figure:
    """One row a report: success rate with its Wilson 95% interval, and the final distances of all its episodes.

    Distances are on a logarithmic axis: a good policy's are below a centimetre, a bad one's tens of them.
    Raises `UserError` on a report without episodes.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator

    for name, report in named.items():
        if not report.episodes:
            raise UserError(f"{name} has no episodes; nothing to draw.")
    figure, (left, right) = new_figure(11, 1.9 + 0.75 * len(named), panels=2, sharey=True)
    rows = list(range(len(named)))
    jitter = np.random.default_rng(0)
    for row, report in zip(rows, named.values(), strict=True):
        colour = COLOURS[row % len(COLOURS)]
        for rate, offset, face in (
            (report.aggregate.success, -0.06, colour), (report.aggregate.success_net, 0.16, "white")
        ):  # fmt: skip
            if rate.rate is not None:
                below, above = 100 * (rate.rate - rate.low), 100 * (rate.high - rate.rate)
                left.errorbar(
                    100 * rate.rate, row + offset, xerr=[[below], [above]],
                    fmt="o", color=colour, markerfacecolor=face, capsize=3, linewidth=1.6, markersize=6,
                )  # fmt: skip
        left.text(50, row - 0.25, format_rate(report.aggregate.success), ha="center", va="center", fontsize=9)
        distances = 100 * np.maximum([e.final_distance for e in report.episodes], SMALLEST_DISTANCE)
        right.scatter(
            distances, row + jitter.uniform(-0.26, 0.26, len(distances)), s=9, color=colour, alpha=0.4, linewidth=0
        )
        # By hand: `Axes.boxplot` imports pyplot, which picks a window system.
        low, median, high = np.quantile(distances, [0.25, 0.5, 0.75])
        right.barh(row, high - low, left=low, height=0.5, fill=False, edgecolor="black", linewidth=1.2)
        right.plot([median, median], [row - 0.25, row + 0.25], color="black", linewidth=2.2)
        right.text(
            1.02, row, format_summary(report.aggregate.final_distance, 100, "cm"), fontsize=9, va="center",
            transform=right.get_yaxis_transform(),
        )  # fmt: skip
    envs = {report.env_id for report in named.values()}
    one_env = len(envs) == 1
    left.set_yticks(rows, [name if one_env else f"{name}\n{report.env_id}" for name, report in named.items()])
    left.set_ylim(len(rows) - 0.45, -0.55)
    left.set_xlim(-2, 102)
    left.set_xlabel("success rate (%)")
    n = episodes_text({len(report.episodes) for report in named.values()})
    left.set_title(f"Success, n = {n} a row\nWilson 95%; hollow: not counting solved at reset", fontsize=10)
    right.set_xscale("log")
    right.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
    right.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    right.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    for threshold in sorted({distance_threshold(report) for report in named.values()}):
        right.axvline(100 * threshold, color="black", linestyle="--", linewidth=1.2)
    right.set_xlabel("final distance to the goal (cm, logarithmic)")
    right.set_title(f"Final distance, n = {n} a row\ndot: one episode; box: quartiles; dashed: threshold", fontsize=10)
    figure.suptitle(str(next(iter(envs))) if one_env else "several environments")
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write `figure` as a PNG in one step; the same figure gives the same bytes. `UserError` for another ending."""
    check_png(path)
    buffer = io.BytesIO()
    # Without the library's version in the file, an update of it alone changes no committed figure.
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    write_atomically(path, buffer.getvalue())


def check_png(path: str | Path) -> None:
    """Raise `UserError` unless `path` ends in .png."""
    if Path(path).suffix.lower() != ".png":
        raise UserError(f"--out {path}: figures are written as PNG; end the name in .png.")


def build_parser() -> Parser:
    """The command line of `python -m analysis.plots`."""
    parser = Parser(prog="python -m analysis.plots", description="Draw figures from logs and reports.")
    commands = parser.add_subparsers(dest="command", required=True)
    curve = commands.add_parser("curve", help="success rate during training")
    curve.add_argument("logs", nargs="+", metavar="LOG.jsonl", help="metric logs of runs, <out>.metrics.jsonl")
    curve.add_argument("--x", choices=("steps", "minutes"), default="steps", help="what runs along the horizontal axis")
    curve.add_argument("--net", action="store_true", help="leave out the episodes that began solved")
    distribution = commands.add_parser("distribution", help="final distances and times to success of one report")
    distribution.add_argument("report", metavar="REPORT.json", help="a report of eval.py")
    compare = commands.add_parser("compare", help="several reports in one figure")
    compare.add_argument("reports", nargs="+", metavar="REPORT.json", help="reports of eval.py")
    for command in (curve, distribution, compare):
        command.add_argument("--out", required=True, metavar="FILE.png", help="where to write the figure")
    return parser


def draw(arguments: argparse.Namespace) -> Figure:
    """The figure that a parsed command line asks for."""
    if arguments.command == "curve":
        runs = {
            name: evaluations(read_log(path)) for name, path in zip(labels(arguments.logs), arguments.logs, strict=True)
        }
        return curve_figure(runs, arguments.x, arguments.net)
    paths = [arguments.report] if arguments.command == "distribution" else arguments.reports
    named = {name: reports.load(path, EvalReport) for name, path in zip(labels(paths), paths, strict=True)}
    if arguments.command == "distribution":
        return distribution_figure(*next(iter(named.items())))
    return compare_figure(named)


def main(argv: Sequence[str] | None = None) -> int:
    """Draw, write and name the figure; exit status 2 on a mistake of the user."""
    arguments = build_parser().parse_args(argv)
    try:
        check_png(arguments.out)
        save_figure(draw(arguments), arguments.out)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(arguments.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
