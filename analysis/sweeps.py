"""The comparison report of a sweep: one row a run, the seeds of each variant together, and both as aligned text.

A run that is not finished stands there with the steps that it has, without a final success.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis.compare import across_rates, format_rate, mean_text
from analysis.reports import EvalReport, Rate, TrainMeta
from analysis.runs import curve, facts, machine, progress, together

HEADER = ("variant", "seed", "status", "steps", "updates", "95% after", "training until then", "final success",
          "not counting solved at reset")  # fmt: skip
EMPTY = {"steps": 0, "updates": 0, "training_s": None,
         "steps_to_95": None, "updates_to_95": None, "minutes_to_95": None}  # fmt: skip


def row_of(
    variant: str, seed: int, status: str, meta: TrainMeta | None, evaluation: EvalReport | None,
    failures: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """What one run reached. `failures` are the reasons of the tries that failed, each in one line."""
    if status == "finished" and meta is not None and evaluation is not None:
        reached = facts(meta, evaluation)
    else:
        reached = (progress(meta) if meta else EMPTY) | {"success": None, "success_net": None}
    more = {
        "total_steps": meta.total_steps if meta else None,
        "resumed": meta.resumed if meta else 0,
        "machine": machine(meta.hardware) if meta else None,
        "weights_sha256": meta.weights_sha256 if meta else None,
        "evaluations": curve(meta) if meta else [],
        "failures": list(failures),
    }
    return {"variant": variant, "status": status} | reached | {"seed": seed} | more


def variants_of(rows: Sequence[dict[str, Any]], changes: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """The seeds of each variant together, over those that are finished; `changes` are the settings of each by name."""
    found = []
    for variant, settings in changes.items():
        own = [row for row in rows if row["variant"] == variant]
        finished = [row for row in own if row["status"] == "finished"]
        found.append(
            {"variant": variant, "settings": settings, "seeds": [row["seed"] for row in own],
             "finished_seeds": [row["seed"] for row in finished]} | (together(finished) if finished else {})
        )  # fmt: skip
    return found


def status_of(rows: Sequence[dict[str, Any]]) -> str:
    """Of all rows together: finished, failed (nothing is left to do, and something failed), or running."""
    kinds = {row["status"] for row in rows}
    if kinds <= {"finished"}:
        return "finished"
    return "failed" if kinds <= {"finished", "failed"} else "running"


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of text, each as wide as its widest cell."""
    widths = [max(len(line[column]) for line in [header, *rows]) for column in range(len(header))]
    lines = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in [header, *rows]]
    return "\n".join("  ".join(line).rstrip() for line in lines)


def _cells(row: dict[str, Any]) -> list[str]:
    steps = f"{row['steps']:,}"
    if row["status"] != "finished" and row["total_steps"]:
        steps += f" of {row['total_steps']:,}"
    success, net = (format_rate(Rate.model_validate(row[k])) if row[k] else "" for k in ("success", "success_net"))
    crossed, minutes = row["steps_to_95"], row["minutes_to_95"]
    return [
        row["variant"], str(row["seed"]), row["status"], steps, f"{row['updates']:,}",
        "" if crossed is None else f"{crossed:,} steps", "" if minutes is None else f"{minutes:.1f} min", success, net,
    ]  # fmt: skip


def rows_text(rows: Sequence[dict[str, Any]]) -> str:
    """The table of runs. No rate without its n and its interval."""
    return aligned(HEADER, [_cells(row) for row in rows])


def variants_text(rows: Sequence[dict[str, Any]], variants: Sequence[dict[str, Any]]) -> str:
    """A line for each variant: how many seeds, their mean with its interval, and the median of the steps to 95%."""
    lines = []
    for variant in variants:
        name, done, all_seeds = variant["variant"], variant["finished_seeds"], variant["seeds"]
        text = f"{name}: {len(done)} of {len(all_seeds)} seeds finished"
        own = [row for row in rows if row["variant"] == name and row["seed"] in done]
        if own:
            text += f"; {mean_text(across_rates({row['seed']: Rate.model_validate(row['success']) for row in own}))}"
        if any(row["evaluations"] for row in own):
            median = variant["median_steps_to_95"]
            reached = "not reached by the median seed" if median is None else f"after {median:,.0f} steps (median)"
            text += f"; 95% {reached}"
        lines.append(text)
    return "\n".join(lines)
