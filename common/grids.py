"""Grids as people type them: `0.25,0.5,1,2`."""

from __future__ import annotations

import math

from common.errors import UserError

MOST = 1000


def parse_grid(text: str, flag: str, low: float, high: float = math.inf, above: bool = False,
               whole: bool = False) -> list[float]:  # fmt: skip
    """The numbers of a comma-separated list, in the order given; ints where `whole`.

    Raises `UserError` on an empty list, on what is no finite number from `low` (or above it) to `high`, and on a value
    that is given twice.
    """
    bounds = f"{'above' if above else 'from'} {low:g}" + ("" if high == math.inf else f" to {high:g}")
    kind = "whole numbers" if whole else "numbers"
    wanted = f"{flag} {text[:60]}: expected {kind} {bounds}, separated by commas"
    parts = [part.strip() for part in text.split(",")]
    if len(parts) > MOST:
        raise UserError(f"{flag}: {len(parts)} values are more than anyone can run.")
    values: list[float] = []
    for part in parts:
        try:
            value = int(part) if whole else float(part)
        except ValueError:
            raise UserError(f"{wanted}; {part[:40]!r} is none.") from None
        if not math.isfinite(value) or value < low or value > high or (above and value <= low):
            raise UserError(f"{wanted}; {part[:40]} is none.")
        values.append(value)
    if len(set(values)) != len(values):
        raise UserError(f"{flag} {text[:60]}: a value is given twice.")
    return values
