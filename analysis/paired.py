"""Two policies on the same seeds: differences episode by episode, with intervals that know of the pairing.

An episode's seed places block and goal, so most of what makes one episode harder than another is the same for both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from analysis.compare import mcnemar_exact
from analysis.stats import wilson

RESAMPLES = 5_000


def paired_rates(a: Sequence[bool], b: Sequence[bool]) -> dict[str, Any]:
    """Success of A minus success of B on the same n episodes: difference, 95% interval, the four counts, exact p.

    Newcombe's score interval for paired differences, which is no point where all episodes agree. Source: R. G. Newcombe
    (1998), "Improved confidence intervals for the difference between binomial proportions based on paired data",
    method 10. The p value is McNemar's (`analysis/compare.py`). Raises `ValueError` unless the lengths agree.
    """
    if len(a) != len(b) or not len(a):
        raise ValueError("paired rates need the same episodes, at least one")
    n, both = len(a), sum(x and y for x, y in zip(a, b, strict=True))
    only_a, only_b = sum(a) - both, sum(b) - both
    neither = n - both - only_a - only_b
    p, q = sum(a) / n, sum(b) / n
    (low_p, high_p), (low_q, high_q) = wilson(sum(a), n), wilson(sum(b), n)
    # φ: the correlation of the pairs, with a continuity correction where it is positive
    scale = math.sqrt((both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither))
    cross = both * neither - only_a * only_b
    phi = (max(cross - n / 2, 0) if cross > 0 else cross) / scale if scale else 0.0

    def width(x: float, y: float) -> float:
        return math.sqrt(max(0.0, x * x - 2 * phi * x * y + y * y))

    return {
        "n": n, "difference": p - q, "low": max(-1.0, p - q - width(p - low_p, high_q - q)),
        "high": min(1.0, p - q + width(high_p - p, q - low_q)),
        "both": both, "only_a": only_a, "only_b": only_b, "neither": neither, "p_value": mcnemar_exact(only_a, only_b),
    }  # fmt: skip


def paired_means(a: Sequence[float | None], b: Sequence[float | None]) -> dict[str, Any]:
    """Mean of A − B over the episodes in which both exist, with a percentile bootstrap over pairs (95%).

    The generator is fixed, so that a report is the same twice. No pairs: n = 0, and no mean.
    """
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    if not pairs:
        return {"n": 0, "mean": None, "low": None, "high": None}
    differences = np.array([x - y for x, y in pairs], dtype=float)
    means = np.random.default_rng(0).choice(differences, (RESAMPLES, len(differences))).mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return {"n": len(pairs), "mean": float(differences.mean()), "low": float(low), "high": float(high)}


def paired_rows(a: Sequence[dict[str, Any]], b: Sequence[dict[str, Any]], flags: Sequence[str],
                names: Sequence[str]) -> dict[str, Any]:  # fmt: skip
    """`paired_rates` of each flag and `paired_means` of each metric. Raises `ValueError` on other seeds."""
    if [row["seed"] for row in a] != [row["seed"] for row in b]:
        raise ValueError("paired differences need the same seeds in the same order")
    rates = {name: paired_rates([row[name] for row in a], [row[name] for row in b]) for name in flags}
    return rates | {name: paired_means([row[name] for row in a], [row[name] for row in b]) for name in names}
