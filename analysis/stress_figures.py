"""Figures of chapter 05: the arms' learning curves, the stress test's curves, and how far policies get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.grasping import STAGES
from analysis.hindsight import pooled
from analysis.plots import COLOURS, MARKERS, STYLES, episodes_text, new_figure
from analysis.reports import Rate
from analysis.stress import FACTORS, NOMINAL, OWN, UNITS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Hollow circles around squares: where both strata agree, both are seen.
STRATA = {
    "air": ("goal in the air", COLOURS[0], "o", 8, "none"),
    "table": ("goal on the table", COLOURS[1], "s", 4, "full"),
}
LOGARITHMIC = ("object_mass", "object_friction")


def arms_figure(arms: dict[str, Any]) -> Figure:
    """Success during training against environment steps: a colour an arm, a line a seed."""
    from matplotlib.ticker import EngFormatter

    figure, (axes,) = new_figure(8, 4.2)
    for i, (arm, both) in enumerate(arms.items()):
        for k, run in enumerate(both["runs"]):
            axes.plot(
                [e["steps"] for e in run["evaluations"]], [100 * e["success"]["rate"] for e in run["evaluations"]],
                color=COLOURS[i], linestyle=STYLES[k % len(STYLES)], marker=MARKERS[i], markersize=3.5, linewidth=1.5,
                label=f"{arm}, {len(both['runs'])} seed{'s' * (len(both['runs']) > 1)}" if k == 0 else None,
            )  # fmt: skip
    axes.axhline(95, color="black", linewidth=0.8, linestyle="--")
    axes.set_ylim(-2, 102)
    axes.set_xlim(left=0)
    axes.set_xlabel("environment steps")
    axes.set_ylabel("success (%)")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    n = next(iter(arms.values()))["runs"][0]["evaluations"][0]["success"]["n"]
    axes.set_title(f"Sparse PickAndPlace: {n} held-out episodes of the task itself a point; dashed: 95%", fontsize=10)
    axes.legend(frameon=False, loc="lower right")
    return figure


def _curve(reports: Sequence[dict[str, Any]], factor: str, stratum: str) -> tuple[list[float], list[Rate]]:
    """The values of `factor` that were tried and the success there, all checkpoints' episodes together."""
    names = {OWN[factor]: NOMINAL} | {value: f"{factor}={value:g}" for value in FACTORS[factor]}
    found = []
    for value in sorted(names):
        rates = [report[names[value]]["success"][stratum] for report in reports if names[value] in report]
        if rates:
            found.append((value, pooled([Rate.model_validate(rate) for rate in rates])))
    return [value for value, _ in found], [rate for _, rate in found]


def stress_figure(reports: Sequence[dict[str, Any]], factors: Sequence[str] = tuple(FACTORS)) -> Figure:
    """A panel a factor: success against its value with Wilson's band, goals in the air and on the table apart.

    `reports`: the points of one checkpoint each.
    """
    figure, all_axes = new_figure(3 * len(factors), 3.6, panels=len(factors), sharey=True)
    for axes, factor in zip(all_axes, factors, strict=True):
        for stratum, (label, colour, marker, size, fill) in STRATA.items():
            values, rates = _curve(reports, factor, stratum)
            low, high = [100 * rate.low for rate in rates], [100 * rate.high for rate in rates]
            axes.fill_between(values, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(values, [100 * rate.rate for rate in rates], color=colour, marker=marker, markersize=size,
                      fillstyle=fill, label=label)  # fmt: skip
        axes.axvline(OWN[factor], color="black", linewidth=0.8, linestyle="--")
        if factor in LOGARITHMIC:
            axes.set_xscale("log")
            axes.minorticks_off()
            ticks = sorted({OWN[factor], *FACTORS[factor]})
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks], fontsize=8)
        axes.set_xlabel(f"{factor.replace('_', ' ')} ({UNITS[factor]})")
        axes.set_ylim(-2, 106)
    all_axes[0].set_ylabel("success (%)")
    shown = {f"{factor}={value:g}" for factor in factors for value in FACTORS[factor]} | {NOMINAL}
    tried = shown & {name for report in reports for name in report}
    n = episodes_text({sum(report[name]["n"] for report in reports if name in report) for name in tried})
    handles, names = all_axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
    figure.suptitle(f"One factor at a time, {n} a point; dashed: the task itself; band: Wilson 95%", fontsize=10)
    return figure


def stages_figure(policies: dict[str, dict[str, Any]]) -> Figure:
    """How often goals in the air led to each stage, a colour a policy, with Wilson's interval. `policies`: by label."""
    figure, (axes,) = new_figure(8, 3.8)
    width = 0.8 / len(policies)
    for i, (name, found) in enumerate(policies.items()):
        rates = [Rate.model_validate(found["air"][stage]) for stage in STAGES]
        where = [k + (i - (len(policies) - 1) / 2) * width for k in range(len(rates))]
        spread = [[100 * (r.rate - r.low) for r in rates], [100 * (r.high - r.rate) for r in rates]]
        label = f"{name} (n = {rates[0].n})"
        axes.bar(where, [100 * r.rate for r in rates], width=0.9 * width, color=COLOURS[i], label=label)
        axes.errorbar(
            where, [100 * r.rate for r in rates], yerr=spread, fmt="none", ecolor="black", capsize=2, linewidth=1
        )
    axes.set_xticks(range(len(STAGES)), list(STAGES))
    axes.set_ylabel("episodes (%)")
    axes.set_ylim(0, 105)
    axes.set_title("How far episodes with a goal in the air get; whiskers: Wilson 95%", fontsize=10)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure
