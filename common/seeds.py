"""Evaluation seeds as people type them: `0-99`, `0,1,2`, `0-4,10` or one number."""

from __future__ import annotations

import re

from common.errors import UserError

FORMS = "accepted forms: a range 0-99, a list 0,1,2, both 0-4,10, or one number N (the first of --n-episodes seeds)"
LARGEST = 2**31 - 1
MOST = 10_000_000
# Leading digits are bounded because Python refuses to convert thousands of them, with an error of its own.
NUMBER = r"[0-9]{1,18}"


def parse_seeds(text: str, n_episodes: int | None = None) -> list[int]:
    """The seeds that `text` names, in the order given.

    One number N stands for N, N+1, …: `n_episodes` of them (one where that is None). A range or list may name more
    seeds than `n_episodes`, and then the first ones are used; naming fewer raises, since repeating a seed would count
    the same episode twice. Raises `UserError` with the accepted forms on anything else.
    """
    if n_episodes is not None and n_episodes < 1:
        raise UserError(f"--n-episodes {n_episodes}: at least one episode is needed.")
    if n_episodes is not None and n_episodes > MOST:
        raise UserError(f"--n-episodes {n_episodes} is more than anyone can run.")
    text = text.strip()
    if re.fullmatch(NUMBER, text):
        first = int(text)
        seeds = list(range(first, first + (n_episodes or 1)))
    else:
        seeds = []
        for part in text.split(","):
            match = re.fullmatch(rf"\s*({NUMBER})\s*(?:-\s*({NUMBER})\s*)?", part)
            if not match:
                raise UserError(f"seeds {text!r}: {part.strip() or 'an empty part'!r} is no seed; {FORMS}.")
            low, high = int(match[1]), int(match[2] or match[1])
            if high < low:
                raise UserError(f"seeds {text!r}: {low}-{high} runs backwards; {FORMS}.")
            if high - low >= MOST:
                raise UserError(f"seeds {text!r}: {high - low + 1} seeds are more than anyone can run; {FORMS}.")
            seeds.extend(range(low, high + 1))
        if n_episodes is not None:
            if n_episodes > len(seeds):
                raise UserError(f"--n-episodes {n_episodes} but seeds {text!r} names {len(seeds)}; give as many seeds.")
            seeds = seeds[:n_episodes]
    if len(set(seeds)) != len(seeds):
        raise UserError(f"seeds {text!r} name one seed twice, which would count an episode twice; {FORMS}.")
    if max(seeds) > LARGEST:
        raise UserError(f"seeds {text!r}: the largest seed is {LARGEST}; {FORMS}.")
    return seeds


def format_seeds(seeds: list[int]) -> str:
    """The shortest text that `parse_seeds` turns back into `seeds`: ranges where they are consecutive."""
    parts: list[list[int]] = []
    for seed in seeds:
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)
