"""The measurements behind the deployment checklist (`analysis/readiness.py`), for any checkpoint of a Fetch task.

data = examine("checkpoints/reference/FetchPush-v4.zip", "FetchPush-v4", acting)
print(verdict_text("FetchPush-v4.zip", data["verdict"]))
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from agents.archive import read_meta, zip_path
from agents.onnx_export import OnnxPolicy, onnx_graph
from analysis.compare import format_rate
from analysis.readiness import delay_margin, judge, limit_of, missing_facts, net, row_for
from analysis.reports import Rate
from common.errors import UserError
from evaluation.grid import Found, Point, evaluate_grid
from evaluation.subject import Wanted, checkpoint
from wrappers.randomization import FACTORS, available

NOMINAL, LOST = "nominal", "lost view"
# 0.1 · 5 / (1 + 0.1 · 4) = 36% of the steps
LOST_VIEW = "obs_dropout:prob=0.1,steps=5"
DELAYS = (1, 2, 3)
# Steps of warm-up before latency counts, and steps that are timed.
WARM_UP, TIMED = 50, 1000


def ends_of_factors(path: str, env_id: str) -> dict[str, str]:
    """`plant` wrappers at the ends of each factor's range, by name; the delay has tests of its own."""
    env = checkpoint(path, Wanted(env_id)).task.make()
    values = [
        (name, f"{end:g}")
        for name, factor in available(env).items()
        for end in dict.fromkeys((factor.low, factor.high))
        if end != factor.nominal and name != "delay"
    ]
    env.close()
    return {f"{name} {'×' if FACTORS[name].nominal == 1 else ''}{end}": f"plant:{name}={end}" for name, end in values}


def examine(
    path: str, env_id: str, faster: Callable[[Any], Any], episodes: int = 200, perturbed_episodes: int = 100,
    keep: str | Path | None = None, tell: Callable[[Found], None] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Everything that the checklist asks, and its verdict, as JSON values. Raises `UserError`."""
    factors, measure = ends_of_factors(path, env_id), row_for(env_id)
    delays = {f"delay {steps}": f"plant:delay={steps}" for steps in DELAYS}
    perturbations = factors | delays | {LOST: LOST_VIEW}
    points = [Point(path, env_id, (wrap,), {"name": name}) for name, wrap in perturbations.items()]
    found = evaluate_grid(
        [Point(path, env_id, (), {"name": NOMINAL})], range(episodes), measure, faster, keep=keep, tell=tell
    ) + evaluate_grid(points, range(perturbed_episodes), measure, faster, keep=keep, tell=tell)
    rows = {point.point.labels["name"]: point.rows for point in found}
    rates = {name: net(rows[name]) for name in rows}
    bars = limits(list(factors))
    measured = control_checks(rows, rates, list(factors)) | interface_checks(path, env_id, faster)
    order = [NOMINAL, *factors, *delays, LOST]
    return {
        "policy": Path(path).name, "verdict": judge(measured),
        "points": [{"name": name, "wrap": perturbations.get(name, ""), "success": rates[name],
                    "held": net(rows[name], "held"), "limit": bars.get(name)} for name in order],
        "checkpoint_sha256": found[0].checkpoint_sha256,
    }  # fmt: skip


def limits(factors: list[str]) -> dict[str, float]:
    """What the lower end of success must reach, by name of the perturbation; delays beyond the margin have no limit."""
    worst = limit_of("worst_factor")
    survived = {f"delay {steps}": worst for steps in DELAYS if steps <= limit_of("delay_margin")}
    return {NOMINAL: limit_of("success"), **dict.fromkeys(factors, worst), **survived, LOST: limit_of("lost_view")}


def control_checks(
    rows: dict[str, list[dict[str, Any]]], rates: dict[str, dict[str, Any]], factors: list[str]
) -> dict[str, tuple[float | None, str]]:
    """The lines that are about what the robot does, from episodes by name of the perturbation."""
    plain, lost = rows[NOMINAL], rows[LOST]
    held = net(plain, "held")
    worst = min(factors, key=lambda name: rates[name]["low"])
    margin = delay_margin({steps: rates[f"delay {steps}"] for steps in DELAYS})
    known = plain[0]["joint_speed"] is not None
    unsafe = float(sum(row["unsafe"] for row in lost)) if known else None
    # Beside what it does while it sees everything, or a policy that is always too fast would seem to be lost.
    share = f"{_unsafe_share(lost)} of all steps, {_unsafe_share(plain)} where nothing is lost" if known else ""
    outside, steps = sum(row["outside"] for row in plain), len(plain)
    fast = f"{sum(row['too_fast'] > 0 for row in plain)} of {steps} episodes" if known else "no Fetch arm"
    return {
        "success": (rates[NOMINAL]["low"], _rate(rates[NOMINAL])),
        "held": (held["low"], _rate(held)),
        "worst_factor": (rates[worst]["low"], f"{worst}: {_rate(rates[worst])}"),
        "delay_margin": (float(margin), "; ".join(f"delay {k}: {_rate(rates[f'delay {k}'])}" for k in DELAYS)),
        "lost_view": (rates[LOST]["low"], _rate(rates[LOST])),
        "lost_safe": (unsafe, share or "no Fetch arm"),
        "smoothness": (float(np.sqrt(np.mean([row["squared_change"] for row in plain]))), f"{steps} episodes"),
        "saturation": (float(np.mean([row["saturated"] for row in plain])), f"{steps} episodes"),
        "peak": (max(row["peak"] for row in plain), f"{steps} episodes"),
        "workspace": (float(outside), f"in {sum(row['outside'] > 0 for row in plain)} of {steps} episodes"),
        "speed": (max(row["joint_speed"] for row in plain) if known else None,
                  f"beyond it in {fast}; gripper up to {max(row['speed'] for row in plain):.2f} m/s"),
    }  # fmt: skip


def interface_checks(path: str, env_id: str, faster: Callable[[Any], Any]) -> dict[str, tuple[float | None, str]]:
    """The lines that are about the file: latency, export, metadata."""
    subject = checkpoint(path, Wanted(env_id))
    policy = subject.make_policy()
    env = subject.task.make()
    seen, seconds = [env.reset(seed=0)[0]], []
    for step in range(WARM_UP + TIMED):
        began = time.perf_counter()
        action, _ = policy.predict(seen[-1], deterministic=True)
        if step >= WARM_UP:
            seconds.append(time.perf_counter() - began)
        observation, _, terminated, truncated, _ = env.step(action)
        seen.append(env.reset()[0] if terminated or truncated else observation)
    env.close()
    middle, slow = 1000 * np.quantile(seconds, [0.5, 0.99])
    missing = missing_facts(read_meta(zip_path(path)))
    return {
        "latency": (float(slow), f"median {middle:.2f} ms of {TIMED} decisions by Stable-Baselines3's predict"),
        "export": exported_difference(policy, faster, seen),
        "metadata": (float(len(missing)), f"missing: {', '.join(missing)}" if missing else "complete"),
    }


def exported_difference(policy: Any, faster: Callable[[Any], Any], seen: list[Any]) -> tuple[float | None, str]:
    """Largest difference of an action component between the policy and its ONNX graph over observations, and facts."""
    acting = faster(policy)
    if acting is None:
        return None, "this policy has parts that the export does not know"
    try:
        graph = onnx_graph(acting, policy.observation_space)
        exported = OnnxPolicy(graph)
    except UserError as error:
        return None, str(error)
    pairs = [(policy.predict(x, deterministic=True)[0], exported.predict(x)[0]) for x in seen]
    worst = float(max(np.abs(a - b).max() for a, b in pairs))
    return worst, f"{len(seen)} observations, a graph of {len(graph) / 1024:.0f} KiB"


def _unsafe_share(rows: list[dict[str, Any]]) -> str:
    return f"{100 * sum(row['unsafe'] for row in rows) / sum(row['length'] for row in rows):.1f}%"


def _rate(found: dict[str, Any]) -> str:
    return format_rate(Rate(**found))
