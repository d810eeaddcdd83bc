"""What runs here: a snapshot of this machine's versions and hardware.

    python scripts/print_versions.py --json-out results/versions.json

The table shows what decides a result; the report also holds every installed package. PyTorch is imported only where
there is a GPU, since only PyTorch knows which CUDA it was built for.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from analysis.reports import VersionsReport, save
from common.cli import guarded, parse


@dataclass(frozen=True)
class VersionsConfig:
    """Print the versions and the hardware of this machine."""

    json_out: str | None = None
    """Report to write, with every installed package."""


def cuda_facts() -> dict[str, str | None]:
    """Versions of CUDA and cuDNN that PyTorch was built for, None where it cannot use a GPU or is not here."""
    try:
        import torch
    except ImportError:
        return {"cuda": None, "cudnn": None}
    if not torch.cuda.is_available():
        return {"cuda": None, "cudnn": None}
    cudnn = torch.backends.cudnn.version()
    return {"cuda": torch.version.cuda, "cudnn": None if cudnn is None else str(cudnn)}


def snapshot() -> VersionsReport:
    """The report on this machine."""
    from common import provenance

    common = provenance.metadata({})
    if provenance.gpu_name() is not None:
        common["versions"] = common["versions"] | cuda_facts()
        common["device"] = "cuda" if common["versions"]["cuda"] else "cpu"
    return VersionsReport(**common, packages=provenance.packages())


def table(report: VersionsReport) -> str:
    """The facts that decide a result, a line each."""
    machine = report.hardware
    memory = "" if machine.memory_gib is None else f", {machine.memory_gib:g} GiB"
    rows = {name: version or "not installed" for name, version in report.versions.items()}
    rows |= {
        "cpu": f"{machine.cpu}, {machine.cores} cores{memory}",
        "gpu": machine.gpu or "none",
        "platform": machine.platform,
        "commit": f"{report.commit or 'no git checkout'}{' with local changes' if report.dirty else ''}",
    }
    width = max(map(len, rows))
    return "\n".join(f"{name:{width}s}  {value}" for name, value in rows.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status: 0, or 2 on a mistake."""

    def act() -> None:
        config = parse(VersionsConfig, argv, prog="print_versions.py")
        report = snapshot()
        print(table(report))
        if config.json_out:
            save(config.json_out, report)
            print(f"{len(report.packages)} packages -> {config.json_out}")

    return guarded(act)


if __name__ == "__main__":
    sys.exit(main())
