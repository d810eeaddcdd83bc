"""From the files of a sweep's jobs to its report, and the report on a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from analysis import sweeps
from analysis.reports import DataReport, TrainMeta
from analysis.runs import RULE
from common import provenance
from configs.sweep import Sweep
from jobs.records import evaluation_of, failures, files_of, meta_of, state_of


def _common(metas: list[TrainMeta], key: str, otherwise: Any) -> Any:
    """What all runs have in `key`; `otherwise` where they differ or none has begun."""
    values = {getattr(meta, key) for meta in metas}
    return values.pop() if len(values) == 1 else otherwise


def make_report(sweep: Sweep, settings: dict[str, Any], states: dict[str, str]) -> DataReport:
    """All runs as they stand now. `states` are those that the files alone do not tell, by the name of the job."""
    metas = {job.name: meta for job in sweep.jobs if (meta := meta_of(files_of(job)))}
    rows = [
        sweeps.row_of(
            job.variant, job.config.seed, states.get(job.name, state_of(job)), metas.get(job.name), evaluation_of(job),
            [failure.reason for failure in failures(files_of(job))],
        )
        for job in sweep.jobs
    ]  # fmt: skip
    begun = list(metas.values())
    episodes = {meta.config.get("eval_episodes") for meta in begun}
    data = {
        "sweep": sweep.name,
        "rule": RULE.format(n=episodes.pop() if len(episodes) == 1 else "its"),
        "rows": rows,
        "variants": sweeps.variants_of(rows, {job.variant: job.changes for job in sweep.jobs}),
    }
    protocol = f"deterministic policy, {len(sweep.jobs[0].eval_seeds)} held-out episodes, success at the last step"
    return DataReport(
        **provenance.metadata(
            {"sweep": sweep.source} | settings, status=sweeps.status_of(rows), env_id=_common(begun, "env_id", None),
            seeds=sorted({job.config.seed for job in sweep.jobs}), n_envs=_common(begun, "n_envs", None),
            device=_common(begun, "device", "several" if begun else "none"),
            wall_clock_s=round(sum(meta.wall_clock_s for meta in begun), 1), evaluation_protocol=protocol,
        ), name="sweep", data=data,
    )  # fmt: skip


def tell(sweep: Sweep, report: DataReport, path: Path) -> int:
    """Print the runs, the variants, and why runs failed; 1 where one was given up, else 0."""
    rows = report.data["rows"]
    print(f"\n{sweeps.rows_text(rows)}\n\n{sweeps.variants_text(rows, report.data['variants'])}")
    print(f"report -> {path}", flush=True)
    failed = [job for job, row in zip(sweep.jobs, rows, strict=True) if row["status"] == "failed"]
    for job in failed:
        last = failures(files_of(job))[-1]
        print(f"\n{job.name} failed: {last.reason} (log: {files_of(job).log})", file=sys.stderr)
        print("".join(f"  {line}\n" for line in last.tail), end="", file=sys.stderr, flush=True)
    return 1 if failed else 0
