"""Intervals against published values, and what must hold of every one."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.stats import across_seeds, mean_std, steps_to_threshold, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe (1998), "Two-sided confidence intervals for the single proportion", Table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
        # 0 of n by hand: high = z² / (n + z²), with z² = 3.8415; n of n is its mirror image
        (0, 10, 0.0, 3.8415 / 13.8415),
        (10, 10, 10 / 13.8415, 1.0),
        (100, 100, 100 / 103.8415, 1.0),
        # 1 of 2 by hand: 1/2 ± z √(1/8 + z²/16) / (1 + z²/2) = 0.5 ± 0.40547
        (1, 2, 0.09453, 0.90547),
    ],
)
def test_wilson_gives_the_published_values(successes: int, n: int, low: float, high: float) -> None:
    assert wilson(successes, n) == pytest.approx((low, high), abs=6e-5)


@settings(deadline=None)
@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_stays_inside_and_holds_its_estimate(pair: tuple[int, int]) -> None:
    successes, n = pair
    low, high = wilson(successes, n)
    assert 0.0 <= low <= successes / n <= high <= 1.0
    assert low < high
    # Successes and failures are two names of one thing.
    assert wilson(n - successes, n) == pytest.approx((1 - high, 1 - low), abs=1e-12)
    # Four times the episodes, a narrower interval.
    wider_low, wider_high = wilson(4 * successes, 4 * n)
    assert wider_high - wider_low < high - low


def test_wilson_of_nothing_and_of_nonsense() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    for successes, n in ((-1, 3), (4, 3), (1, 0)):
        with pytest.raises(ValueError):
            wilson(successes, n)


def test_mean_and_sample_deviation() -> None:
    assert mean_std([]) == (None, None)
    assert mean_std([3.0]) == (3.0, None)
    # Squared deviations 9, 1, 1, 1, 0, 0, 4, 16 sum to 32; n - 1 = 7.
    assert mean_std([2, 4, 4, 4, 5, 5, 7, 9]) == pytest.approx((5.0, math.sqrt(32 / 7)))


def test_few_seeds_get_students_t() -> None:
    # Mean 0.5, s = 0.1, n = 3: half = 4.302653 * 0.1 / √3
    low, high, method = across_seeds([0.4, 0.5, 0.6])
    assert (low, high) == pytest.approx((0.5 - 0.2484138, 0.5 + 0.2484138), abs=1e-6)
    assert method == "t"
    # Mean 0.5, s = 0.2 / √2, n = 2: half = 12.706205 * 0.1, cut at the bounds of a rate
    assert across_seeds([0.4, 0.6]) == (0.0, 1.0, "t")
    assert across_seeds([0.4, 0.6], bounds=None)[:2] == pytest.approx((-0.7706205, 1.7706205), abs=1e-6)
    # n = 4: s = √(5/3), half = 3.182446 * s / 2
    low, high, _ = across_seeds([1.0, 2.0, 3.0, 4.0], bounds=None)
    assert (low, high) == pytest.approx((2.5 - 2.0542603, 2.5 + 2.0542603), abs=1e-6)


def test_one_seed_has_no_interval_and_none_is_an_error() -> None:
    assert across_seeds([0.9]) == (None, None, "none: one seed")
    with pytest.raises(ValueError):
        across_seeds([])


def test_a_bootstrap_of_two_values_is_close_to_its_exact_quantiles() -> None:
    # Five times 0 and five times 1: a resampled mean is Binomial(10, 1/2) / 10, whose 2.5% quantile is 2 of 10.
    assert across_seeds([0.0] * 5 + [1.0] * 5) == (pytest.approx(0.2), pytest.approx(0.8), "bootstrap")


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_an_interval_over_seeds_stays_inside_and_is_the_same_twice(values: list[float]) -> None:
    low, high, method = across_seeds(values, resamples=500)
    assert low is not None and high is not None
    assert 0.0 <= low <= high <= 1.0
    assert method == ("t" if len(values) < 5 else "bootstrap")
    assert min(values) - 1e-12 <= high and low <= max(values) + 1e-12
    assert across_seeds(values, resamples=500) == (low, high, method)


@pytest.mark.parametrize(
    ("rates", "found"),
    [
        ([], None),
        ([0.5, 0.94], None),
        ([0.95], None),
        ([0.95, 0.95], 0),
        ([0.2, 1.0, 0.9, 0.96, 0.97, 1.0], 3),
        ([1.0, 0.0, 1.0, 0.0], None),
    ],
)
def test_steps_to_threshold_needs_two_in_a_row(rates: list[float], found: int | None) -> None:
    evaluations = [(1000 * i, rate) for i, rate in enumerate(rates)]
    assert steps_to_threshold(evaluations) == (None if found is None else 1000 * found)


def test_steps_to_threshold_with_other_demands() -> None:
    evaluations = [(10, 0.5), (20, 0.6), (30, 0.7)]
    assert steps_to_threshold(evaluations, threshold=0.6, in_a_row=1) == 20
    assert steps_to_threshold(evaluations, threshold=0.5, in_a_row=3) == 10
