"""Comparison of reports, against published intervals and tables counted by hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import reports
from analysis.compare import (
    build_parser,
    difference_text,
    format_rate,
    format_summary,
    main,
    markdown_table,
    mcnemar_exact,
    paired,
    rate_difference,
    report_table,
    require_same_env,
    training_seeds,
)
from analysis.metrics import rate
from analysis.reports import EvalReport, Rate, Summary
from common.errors import UserError

Make = Callable[..., EvalReport]


def of(successes: int, n: int) -> Rate:
    return rate([True] * successes + [False] * (n - successes))


def test_format_rate_has_counts_rate_and_interval() -> None:
    assert format_rate(of(97, 100)) == "97 of 100 = 97.0% [91.5, 99.0]"
    assert format_rate(of(0, 20)) == "0 of 20 = 0.0% [0.0, 16.1]"
    assert format_rate(of(0, 0)) == "0 of 0 (no episodes)"


def test_format_summary() -> None:
    assert format_summary(Summary(n=100, mean=0.0231, std=0.008), 100, "cm", 2) == "2.31 ± 0.80 cm (n = 100)"
    assert format_summary(Summary(n=1, mean=3.0, std=None), unit="steps") == "3.0 steps (n = 1)"
    assert format_summary(Summary(n=0, mean=None, std=None), unit="steps") == "none (n = 0)"


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        # Newcombe (1998), "Interval estimation for the difference between independent proportions", Table II, method 10
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((5, 56), (0, 29), -0.0381, 0.1926),
        ((0, 10), (0, 20), -0.1611, 0.2775),
        ((0, 10), (0, 10), -0.2775, 0.2775),
        ((10, 10), (0, 20), 0.6791, 1.0000),
        ((10, 10), (0, 10), 0.6075, 1.0000),
    ],
)
def test_difference_gives_newcombes_published_intervals(
    a: tuple[int, int], b: tuple[int, int], low: float, high: float
) -> None:
    found = rate_difference(of(*a), of(*b))
    assert found.difference == pytest.approx(a[0] / a[1] - b[0] / b[1])
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


COUNTS = st.integers(1, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@settings(deadline=None)
@given(COUNTS, COUNTS)
def test_difference_stays_inside_and_turns_with_its_sides(a: tuple[int, int], b: tuple[int, int]) -> None:
    found, turned = rate_difference(of(*a), of(*b)), rate_difference(of(*b), of(*a))
    assert -1.0 <= found.low <= found.difference <= found.high <= 1.0
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_difference_of_no_episodes_is_refused() -> None:
    with pytest.raises(UserError, match="no episodes"):
        rate_difference(of(0, 0), of(1, 2))


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        (0, 0, 1.0),
        (0, 1, 1.0),
        (3, 3, 1.0),
        (0, 5, 2 / 32),
        (1, 5, 2 * (1 + 6) / 64),
        (2, 8, 2 * (1 + 10 + 45) / 1024),
        (12, 4, 2 * (1 + 16 + 120 + 560 + 1820) / 65536),
    ],
)
def test_mcnemar_by_counting_coins(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar_exact(only_a, only_b) == pytest.approx(p)
    assert mcnemar_exact(only_b, only_a) == mcnemar_exact(only_a, only_b)


def test_mcnemar_of_many_pairs_does_not_overflow() -> None:
    assert 0.0 <= mcnemar_exact(4000, 6000) < 1e-80


def make(make_report: Make, make_episode: Callable, flags: str, first: int = 0, **known: object) -> EvalReport:
    """A report whose episodes succeed where `flags` has a 1."""
    return make_report([make_episode(first + i, flag == "1") for i, flag in enumerate(flags)], **known)


def test_pairs_are_counted_by_seed_not_by_place(make_report: Make, make_episode: Callable) -> None:
    a = make(make_report, make_episode, "1110000")
    b = make(make_report, make_episode, "1001110")
    shuffled = make_report(list(reversed(b.episodes)))
    for other in (b, shuffled):
        pairs = paired(a, other)
        assert pairs is not None
        assert (pairs.both, pairs.only_a, pairs.only_b, pairs.neither) == (1, 2, 3, 1)
        assert pairs.p_value == 1.0


def test_no_pairs_without_the_same_seeds_and_environment(make_report: Make, make_episode: Callable) -> None:
    a = make(make_report, make_episode, "11")
    assert paired(a, make(make_report, make_episode, "111")) is None
    assert paired(a, make(make_report, make_episode, "11", first=5)) is None
    assert paired(a, make(make_report, make_episode, "11", env_id="FetchReach-v4")) is None
    assert paired(make_report([]), make_report([])) is None
    assert "no pairs" in difference_text("a", a, "b", make(make_report, make_episode, "111"))


def test_training_seeds_together(make_report: Make, make_episode: Callable) -> None:
    several = [
        make(make_report, make_episode, flags, training={"seed": seed})
        for seed, flags in ((2, "1111100000"), (0, "1111000000"), (1, "1111110000"))
    ]
    result = training_seeds(several)
    assert list(result.rates) == [0, 1, 2]
    assert result.mean == pytest.approx(0.5)
    # Student's t at 2 degrees of freedom: 0.5 ± 4.302653 * 0.1 / √3
    assert (result.low, result.high) == pytest.approx((0.2515862, 0.7484138), abs=1e-6)
    assert result.method == "t"
    with pytest.raises(UserError, match="two reports are of training seed 2"):
        training_seeds([several[0], several[0]])
    with pytest.raises(UserError, match="names no training seed"):
        training_seeds([make(make_report, make_episode, "1")])


def test_markdown_table_writes_rates_whole_and_stays_a_table() -> None:
    table = markdown_table(["a", "b"], [["x|y", of(1, 2)], ["two\nlines", 3]])
    assert table.splitlines() == [
        "| a | b |",
        "| --- | --- |",
        "| x\\|y | 1 of 2 = 50.0% [9.5, 90.5] |",
        "| two lines | 3 |",
    ]


def test_no_success_rate_without_n_and_interval(
    tmp_path: Path, make_report: Make, make_episode: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = []
    for seed, flags in enumerate(("11110", "10000", "01100")):
        paths.append(str(tmp_path / f"run-{seed}.json"))
        reports.save(paths[-1], make(make_report, make_episode, flags, training={"seed": seed}))
    for arguments in ([], ["--across-seeds"]):
        assert main([*arguments, *paths]) == 0
        text = capsys.readouterr().out
        assert text.count("run-") >= 3 and "%" in text
        # Every per cent is of 'k of n = p% [l, u]', or the mean over named seeds and episodes with its interval.
        for match in re.finditer(r"%", text.replace("95%", "95 per cent")):
            around = text.replace("95%", "95 per cent")[: match.end() + 1]
            assert re.search(r"(\d+ of \d+ = |seeds, \d+ episodes: )[\d.]+% $", around)
        assert len(re.findall(r"[\d.]+% \[", text)) == len(re.findall(r"[\d.]+%", text.replace("95%", "")))


def test_main_pairs_against_the_first(
    tmp_path: Path, make_report: Make, make_episode: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    reports.save(a, make(make_report, make_episode, "0000001111"))
    reports.save(b, make(make_report, make_episode, "1111111111"))
    assert main([a, b]) == 0
    text = capsys.readouterr().out
    # Wilson of 10 of 10 is [0.7225, 1], of 4 of 10 [0.1682, 0.6873]:
    # 0.6 - √(0.2775² + 0.2873²) and 0.6 + √(0² + 0.2318²)
    assert "b minus a: +60.0 points [+20.1, +83.2]" in text
    assert "same 10 seeds: both 4, only b 6, only a 0, neither 0; McNemar exact p = 0.031" in text


def test_main_refuses_different_environments_unless_asked(
    tmp_path: Path, make_report: Make, make_episode: Callable, capsys: pytest.CaptureFixture[str]
) -> None:
    a, b = str(tmp_path / "a.json"), str(tmp_path / "b.json")
    reports.save(a, make(make_report, make_episode, "01"))
    reports.save(b, make(make_report, make_episode, "11", env_id="FetchReach-v4"))
    assert main([a, b]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: reports of different environments: FetchPush-v4, FetchReach-v4.")
    assert captured.err.count("\n") == 1
    assert main(["--different-envs", a, b]) == 0
    assert "no pairs" in capsys.readouterr().out
    assert main([a, str(tmp_path / "missing.json")]) == 2
    with pytest.raises(UserError):
        require_same_env([reports.load(a, EvalReport), reports.load(b, EvalReport)])


def test_a_table_of_a_report_without_episodes(make_report: Make) -> None:
    assert "0 of 0 (no episodes)" in report_table({"empty": make_report([])})
    assert build_parser().parse_args(["a.json"]).reports == ["a.json"]
