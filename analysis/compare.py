"""Evaluation reports side by side: differences with intervals, the same seeds in pairs, and training seeds together.

    python -m analysis.compare results/sac.json results/sac-her.json      # the others against the first
    python -m analysis.compare --across-seeds run-0.json run-1.json …     # one method, several training seeds

No success rate leaves this module without its n and its interval.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from analysis import reports
from analysis.logs import labels
from analysis.reports import EvalReport, Rate, Summary
from analysis.stats import across_seeds
from common.errors import UserError
from common.plain_flags import Parser


def format_rate(rate: Rate) -> str:
    """'97 of 100 = 97.0% [91.5, 99.0]': counts, rate and Wilson's 95% interval in per cent."""
    if rate.rate is None:
        return "0 of 0 (no episodes)"
    return f"{rate.successes} of {rate.n} = {100 * rate.rate:.1f}% [{100 * rate.low:.1f}, {100 * rate.high:.1f}]"


def format_summary(summary: Summary, scale: float = 1.0, unit: str = "", digits: int = 1) -> str:
    """'2.31 ± 0.80 cm (n = 100)': mean and sample standard deviation, both times `scale`."""
    if summary.mean is None:
        return "none (n = 0)"
    spread = "" if summary.std is None else f" ± {scale * summary.std:.{digits}f}"
    return f"{scale * summary.mean:.{digits}f}{spread}{unit and ' ' + unit} (n = {summary.n})"


@dataclass(frozen=True)
class Difference:
    """Rate of A minus rate of B with its 95% interval, as fractions in [-1, 1]."""

    difference: float
    low: float
    high: float


def rate_difference(a: Rate, b: Rate) -> Difference:
    """A minus B with Newcombe's hybrid score interval, for two independent groups of episodes.

    Source: R. G. Newcombe (1998), "Interval estimation for the difference between independent proportions", method 10:
    the two Wilson intervals [l, u], put together. Raises `UserError` where a group is empty.
    """
    if a.rate is None or b.rate is None:
        raise UserError("a success rate of no episodes cannot be compared.")
    difference = a.rate - b.rate
    # (p₁ - p₂) - √((p₁ - l₁)² + (u₂ - p₂)²)
    low = difference - math.hypot(a.rate - a.low, b.high - b.rate)
    # (p₁ - p₂) + √((u₁ - p₁)² + (p₂ - l₂)²)
    high = difference + math.hypot(a.high - a.rate, b.rate - b.low)
    return Difference(difference, max(-1.0, low), min(1.0, high))


@dataclass(frozen=True)
class Pairs:
    """Episodes of the same seeds: solved by both, by A alone, by B alone, by neither; and McNemar's exact p."""

    both: int
    only_a: int
    only_b: int
    neither: int
    p_value: float


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact p of equal success: under it each of the n discordant pairs is a fair coin.

    Source: Q. McNemar (1947), with the binomial in place of chi squared: min(1, 2 P(X <= min(only_a, only_b))).
    """
    n = only_a + only_b
    # Whole numbers to the end: n over k from n over k - 1, and Python divides integers of any size.
    ways = tail = 1
    for k in range(1, min(only_a, only_b) + 1):
        ways = ways * (n - k + 1) // k
        tail += ways
    return min(1.0, 2 * tail / 2**n)


def paired(a: EvalReport, b: EvalReport) -> Pairs | None:
    """Success seed by seed; None where the reports are not of the same seeds in the same environment."""
    of_a = {e.seed: e.success for e in a.episodes}
    of_b = {e.seed: e.success for e in b.episodes}
    if a.env_id != b.env_id or of_a.keys() != of_b.keys() or not of_a:
        return None
    counts = [(flag, of_b[seed]) for seed, flag in of_a.items()]
    only_a, only_b = counts.count((True, False)), counts.count((False, True))
    both, neither = counts.count((True, True)), counts.count((False, False))
    return Pairs(both, only_a, only_b, neither, mcnemar_exact(only_a, only_b))


@dataclass(frozen=True)
class AcrossSeeds:
    """One method trained from several seeds: each seed's rate, their mean, and a 95% interval of that mean."""

    rates: dict[int, Rate]
    mean: float
    low: float | None
    high: float | None
    method: str


def training_seeds(reports_: Sequence[EvalReport]) -> AcrossSeeds:
    """Success by training seed. Raises `UserError` where a report names no training seed, or two name the same."""
    rates: dict[int, Rate] = {}
    for report in reports_:
        seed = (report.training or {}).get("seed")
        if not isinstance(seed, int) or isinstance(seed, bool):
            raise UserError(f"the report of {report.policy} names no training seed; --across-seeds needs one.")
        if seed in rates:
            raise UserError(f"two reports are of training seed {seed}; give one report a training seed.")
        if report.aggregate.success.rate is None:
            raise UserError(f"the report of training seed {seed} has no episodes.")
        rates[seed] = report.aggregate.success
    return across_rates(rates)


def across_rates(rates: dict[int, Rate]) -> AcrossSeeds:
    """The same from the rate of each training seed, none of them without episodes."""
    rates = dict(sorted(rates.items()))
    values = [rate.rate for rate in rates.values() if rate.rate is not None]
    low, high, method = across_seeds(values)
    return AcrossSeeds(rates, math.fsum(values) / len(values), low, high, method)


def require_same_env(reports_: Sequence[EvalReport]) -> None:
    """Raise `UserError` unless all reports are of one environment."""
    names = list(dict.fromkeys(str(report.env_id) for report in reports_))
    if len(names) > 1:
        raise UserError(f"reports of different environments: {', '.join(names)}. Add --different-envs to compare them.")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table. A cell that is a `Rate` is written by `format_rate`; there is no other way to write one."""

    def cell(value: object) -> str:
        text = format_rate(value) if isinstance(value, Rate) else str(value)
        return text.replace("|", "\\|").replace("\n", " ")

    lines = [[cell(value) for value in header], ["---"] * len(header), *([cell(v) for v in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def report_table(named: dict[str, EvalReport]) -> str:
    """One row a report: success with and without the episodes that began solved, final distance, time to success."""
    rows = []
    for name, report in named.items():
        total = report.aggregate
        distance = format_summary(total.final_distance, 100, "cm", 2)
        time = format_summary(total.time_to_success, unit="steps")
        rows.append([name, report.env_id, total.success, total.success_net, distance, time])
    header = ["report", "environment", "success", "not counting solved at reset", "final distance", "time to success"]
    return markdown_table(header, rows)


def difference_text(name_a: str, a: EvalReport, name_b: str, b: EvalReport) -> str:
    """A minus B in words: the difference with its interval, and the pairs where the seeds are the same."""
    rate_a, rate_b = a.aggregate.success, b.aggregate.success
    result = rate_difference(rate_a, rate_b)
    low, high = 100 * result.low, 100 * result.high
    lines = [
        f"{name_a} minus {name_b}: {100 * result.difference:+.1f} points [{low:+.1f}, {high:+.1f}] "
        f"(Newcombe 95%; {format_rate(rate_a)} against {format_rate(rate_b)})"
    ]
    pairs = paired(a, b)
    if pairs is None:
        lines.append("  not the same seeds in the same environment: no pairs")
    else:
        lines.append(
            f"  same {rate_a.n} seeds: both {pairs.both}, only {name_a} {pairs.only_a}, only {name_b} {pairs.only_b}, "
            f"neither {pairs.neither}; McNemar exact p = {pairs.p_value:.2g}"
        )
    return "\n".join(lines)


def mean_text(result: AcrossSeeds) -> str:
    """The mean with its interval over seeds in a line; with one seed there is none, and that is said."""
    if result.low is None or result.high is None:
        return "one training seed: no interval over seeds"
    episodes = sum(rate.n for rate in result.rates.values())
    return (
        f"mean of {len(result.rates)} training seeds, {episodes} episodes: {100 * result.mean:.1f}% "
        f"[{100 * result.low:.1f}, {100 * result.high:.1f}] (95% over seeds, {result.method})"
    )


def across_seeds_text(result: AcrossSeeds) -> str:
    """A table of training seeds, and their mean with its interval over seeds."""
    return f"{markdown_table(['training seed', 'success'], list(result.rates.items()))}\n\n{mean_text(result)}"


def build_parser() -> Parser:
    """The command line of `python -m analysis.compare`."""
    parser = Parser(prog="python -m analysis.compare", description="Compare evaluation reports.")
    parser.add_argument("reports", nargs="+", metavar="REPORT.json", help="of eval.py; the first is the baseline")
    parser.add_argument("--across-seeds", action="store_true", help="one method trained from several seeds")
    parser.add_argument("--different-envs", action="store_true", help="accept reports of different environments")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Print the comparison; exit status 2 on a mistake of the user."""
    arguments = build_parser().parse_args(argv)
    try:
        named = {
            name: reports.load(path, EvalReport)
            for name, path in zip(labels(arguments.reports), arguments.reports, strict=True)
        }
        if not arguments.different_envs:
            require_same_env(list(named.values()))
        parts = [report_table(named)]
        if arguments.across_seeds:
            parts.append(across_seeds_text(training_seeds(list(named.values()))))
        else:
            (first, baseline), *others = named.items()
            parts += [difference_text(name, report, first, baseline) for name, report in others]
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n\n".join(parts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
