"""Confidence intervals and summaries over episodes and seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

# The 97.5% quantile of the normal distribution, and of Student's t at 1, 2 and 3 degrees of freedom (2 to 4 seeds).
Z_95 = 1.959963984540054
T_95 = {1: 12.706204736432095, 2: 4.302652729911275, 3: 3.182446305284263}


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson's 95% interval of a success rate; it stays inside [0, 1] and is honest at 0 of n and n of n.

    Source: E. B. Wilson (1927), "Probable inference, the law of succession, and statistical inference", eq. 6.
    Raises `ValueError` unless 0 <= successes <= n. With n = 0 nothing is known: (0, 1).
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n == 0:
        return 0.0, 1.0
    p = successes / n
    # (p + z²/2n ± z √(p(1-p)/n + z²/4n²)) / (1 + z²/n)
    centre = p + Z_95**2 / (2 * n)
    half = Z_95 * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2))
    scale = 1 + Z_95**2 / n
    # At the ends rounding leaves 1e-17 where the formula gives exactly 0 or 1.
    low = 0.0 if successes == 0 else max(0.0, (centre - half) / scale)
    high = 1.0 if successes == n else min(1.0, (centre + half) / scale)
    return low, high


def mean_std(values: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and sample standard deviation (n - 1); None where there are too few values for them."""
    if len(values) == 0:
        return None, None
    mean = float(np.mean(values))
    return mean, float(np.std(values, ddof=1)) if len(values) > 1 else None


def across_seeds(
    values: Sequence[float], bounds: tuple[float, float] | None = (0.0, 1.0), resamples: int = 10_000
) -> tuple[float | None, float | None, str]:
    """A 95% interval of the mean over training seeds, and the name of the method that gave it.

    Two to four seeds: Student's t (a bootstrap of so few values is far too narrow). Five or more: percentile bootstrap
    with a fixed generator, so that a report is the same twice. One seed: no interval, (None, None, "none: one seed").
    The interval is clipped to `bounds`; pass None for a quantity without bounds.
    """
    n = len(values)
    if n == 0:
        raise ValueError("no values")
    if n == 1:
        return None, None, "none: one seed"
    data = np.asarray(values, dtype=float)
    if n < 5:
        half = T_95[n - 1] * float(np.std(data, ddof=1)) / math.sqrt(n)
        low, high, method = float(np.mean(data)) - half, float(np.mean(data)) + half, "t"
    else:
        means = np.random.default_rng(0).choice(data, size=(resamples, n)).mean(axis=1)
        low, high, method = float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975)), "bootstrap"
    if bounds is not None:
        low, high = max(bounds[0], low), min(bounds[1], high)
    return low, high, method


def steps_to_threshold(
    evaluations: Sequence[tuple[int, float]], threshold: float = 0.95, in_a_row: int = 2
) -> int | None:
    """Steps at the first of `in_a_row` consecutive evaluations at or above `threshold`; None if that never happens.

    `evaluations` holds (environment steps, success rate), in the order of training.
    """
    streak: list[int] = []
    for steps, rate in evaluations:
        streak = [*streak, steps] if rate >= threshold else []
        if len(streak) == in_a_row:
            return streak[0]
    return None
