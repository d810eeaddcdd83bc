"""Chapter 05's comparison: bursts, none, curriculum, after the same number of steps, seed by seed.

A row is one run. Its curve is that of the evaluations during training, which every arm has on the task's own
distribution; `strata` is its final checkpoint over held-out episodes, where that was evaluated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from analysis.compare import across_rates, format_rate, mean_text, rate_difference
from analysis.hindsight import pooled
from analysis.reports import Rate, TrainMeta
from analysis.runs import curve, machine, middle
from analysis.stats import steps_to_threshold
from analysis.sweeps import aligned
from common.errors import UserError

Row = dict[str, Any]


def arm_row(arm: str, meta: TrainMeta, budget: int, strata: dict[str, Any] | None = None, **more: Any) -> Row:
    """One run as it stood after `budget` steps. Raises `UserError` where it was not evaluated there.

    A run that was longer is cut: its evaluations up to the budget decide, and 95% counts where both of its evaluations
    lie within. `strata` belongs to the run's end.
    """
    evaluations = [e for e in curve(meta) if e["steps"] <= budget]
    if not evaluations or evaluations[-1]["steps"] != budget:
        raise UserError(f"{arm}, seed {meta.seeds[0]}: no evaluation after {budget:,} steps to compare.")
    crossed = steps_to_threshold([(e["steps"], e["success"]["rate"]) for e in evaluations])
    return {
        "arm": arm, "seed": meta.seeds[0], "budget": budget, "steps": meta.steps, "updates": meta.updates,
        "steps_to_95": crossed, "at_budget": evaluations[-1]["success"], "evaluations": evaluations,
        "best": max(e["success"]["rate"] for e in evaluations), "strata": strata, "machine": machine(meta.hardware),
        "training_s": round(meta.steps / meta.steps_per_second, 1) if meta.steps_per_second else None,
        "commit": meta.commit, "weights_sha256": meta.weights_sha256,
    } | more  # fmt: skip


def arms_together(rows: Sequence[Row]) -> dict[str, Any]:
    """The seeds of each arm together, and each arm's success at the budget minus that of `none`."""
    found: dict[str, Any] = {}
    for arm in dict.fromkeys(row["arm"] for row in rows):
        own = sorted((row for row in rows if row["arm"] == arm), key=lambda row: row["seed"])
        rates = {row["seed"]: Rate.model_validate(row["at_budget"]) for row in own}
        mean = across_rates(rates)
        found[arm] = {
            "seeds": list(rates), "runs": own, "at_budget": pooled(list(rates.values())).model_dump(),
            "mean": mean.mean, "low": mean.low, "high": mean.high, "method": mean.method,
            "crossed": sum(row["steps_to_95"] is not None for row in own),
            "median_steps_to_95": middle([row["steps_to_95"] for row in own]),
        }  # fmt: skip
    if "none" in found:
        for arm in found:
            if arm != "none":
                both = [Rate.model_validate(found[name]["at_budget"]) for name in (arm, "none")]
                found[arm]["minus_none"] = dataclasses.asdict(rate_difference(*both))
    return found


def arms_text(found: dict[str, Any]) -> str:
    """The comparison as aligned text: every run, then the arms."""
    rows = []
    for arm, both in found.items():
        for row in both["runs"]:
            strata = row["strata"] and row["strata"]["success"]
            final = [format_rate(Rate.model_validate(strata[name])) if strata else "" for name in ("air", "table")]
            crossed = f"{row['steps_to_95']:,}" if row["steps_to_95"] else "not"
            rows.append([arm, str(row["seed"]), crossed, format_rate(Rate.model_validate(row["at_budget"])), *final])
    header = ("arm", "seed", "95% after", "success at the budget", "final, air", "final, table")
    lines = [aligned(header, rows)]
    for arm, both in found.items():
        rates = {row["seed"]: Rate.model_validate(row["at_budget"]) for row in both["runs"]}
        lines.append(f"{arm}: {mean_text(across_rates(rates))}; {both['crossed']} of {len(rates)} seeds reach 95%")
    return "\n".join(lines)
