"""Policies trained with and without randomised robots: which wrappers train them, and every robot that they meet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analysis.randomization import HALF, NOMINAL, TOGETHER, robot_rows
from analysis.readiness import deployment_row
from common.errors import UserError, closest
from common.seeds import parse_seeds
from evaluation.deployment import ends_of_factors
from evaluation.grid import Found, Point, evaluate_grid
from wrappers.randomization import FACTORS

LONGER = "all, twice as long"


def arms_of(factors: str | None, widths: str) -> dict[str, str]:
    """Wrappers of training by arm: none, each single factor that is asked for, and all over each share of their ranges.

    `factors` and `widths` as on the command line, joined by commas. Raises `UserError`.
    """
    single = [name for name in (factors or "").split(",") if name]
    for name in single:
        if name not in FACTORS:
            raise UserError(f"--factors: unknown factor {name}.{closest(name, FACTORS)} Known: {', '.join(FACTORS)}.")
    together = {}
    for width in (text for text in widths.split(",") if text):
        try:
            share = float(width)
        except ValueError:
            raise UserError(f"--widths: {width!r} is no number; give shares of the ranges, such as 0.5,1.") from None
        if not 0 < share <= 2:
            raise UserError(f"--widths: {width}: a number above 0 and up to 2 is needed.")
        name, wrap = ("all", "randomize") if share == 1 else (f"all, width {share:g}", f"randomize:width={share:g}")
        together[name] = wrap
    if not single and not together:
        raise UserError("neither --factors nor --widths names anything to randomise.")
    return {"clean": "", **{name: f"randomize:factors={name}" for name in single}, **together}


class Run(NamedTuple):
    """One training: its arm, its wrapper in training ("" for none), its seed, and for how many times the steps."""

    arm: str
    wrap: str
    seed: int
    times: int = 1

    @property
    def name(self) -> str:
        """Of its files, behind the task's."""
        return f"{self.arm.replace(', width ', '-').replace(', twice as long', '-longer')}_seed{self.seed}"


def runs_of(factors: str | None, widths: str, seeds: str, longer: str | None) -> list[Run]:
    """Every arm of `arms_of` with each of `seeds`, and the whole ranges for twice the steps with each of `longer`.

    Raises `UserError`.
    """
    runs = [Run(arm, wrap, seed) for arm, wrap in arms_of(factors, widths).items() for seed in parse_seeds(seeds)]
    return runs + [Run(LONGER, "randomize", seed, 2) for seed in (parse_seeds(longer) if longer else [])]


def meet(
    trained: Sequence[tuple[str, int, str]], env_id: str, episodes: int, faster: Callable[[Any], Any],
    keep: str | Path | None = None, tell: Callable[[Found], None] | None = None, ends: int | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Success of each of `trained` (arm, seed, checkpoint) on every robot: rows of `robot_rows`, and the wrappers.

    Robots: the nominal one, one at each end of each factor's range (the first `ends` of these), delays, and robots that
    are drawn anew in each episode, from half of the ranges and from all of them. Wrappers of training are left out.
    """
    single = list(ends_of_factors(trained[0][2], env_id).items())[:ends]
    robots = {NOMINAL: "", **dict(single), "delay 1": "plant:delay=1", "delay 2": "plant:delay=2",
              HALF: "randomize:width=0.5", TOGETHER: "randomize"}  # fmt: skip
    points = [
        Point(path, env_id, (wrap,) if wrap else (), {"arm": arm, "seed": seed, "robot": robot}, trained_wraps=False)
        for arm, seed, path in trained for robot, wrap in robots.items()
    ]  # fmt: skip
    found = evaluate_grid(points, range(episodes), deployment_row, faster, keep=keep, tell=tell)
    rows = robot_rows([(*(f.point.labels[key] for key in ("arm", "seed", "robot")), f.rows) for f in found])
    return {"rows": rows, "robots": robots}
