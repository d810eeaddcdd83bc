"""Small runs and how to compare what they left behind; used by the tests of this folder."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import torch

COMMON = "--backend sb3 --n-envs 2 --net-arch 16 16 --batch-size 20 --eval-every 0 --track none --device cpu --seed 3"
REPLAY = "--learning-starts 100 --gradient-steps 1 --buffer-size 2000 --learning-rate 0.001"
# Three segments of one episode in each of two environments; updates from the second one on.
FETCH = f"--total-steps 300 --checkpoint-every 100 {COMMON}"
SAC = f"train --algo sac --her --env FetchReach-v4 {FETCH} {REPLAY} --ent-coef 0.05"
TD3 = f"train --algo td3 --her --env FetchReach-v4 {FETCH} {REPLAY}"
PPO = f"train --algo ppo --env FetchReachDense-v4 {FETCH} --n-steps 50 --n-epochs 2"
TINY = (
    f"train --algo sac --her --env TinyReach-v0 --total-steps 40 --checkpoint-every 20 {COMMON} "
    "--learning-starts 20 --gradient-steps 1 --buffer-size 500 --learning-rate 0.001 --ent-coef auto"
)
# What depends on the clock.
TIMINGS = ("wall_clock_s", "time/fps", "time/time_elapsed")


def meta(out: Path) -> dict[str, Any]:
    """`<out>.meta.json`."""
    return json.loads(out.with_name(out.name + ".meta.json").read_text())


def metric_lines(out: Path) -> list[dict[str, Any]]:
    """The lines of the metrics log without their timings."""
    lines = out.with_name(out.name + ".metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k not in TIMINGS} for line in lines]


def tensors(out: Path) -> dict[str, Any]:
    """Every tensor member of the checkpoint: weights, optimiser states, free variables."""
    with zipfile.ZipFile(out.with_name(out.name + ".zip")) as archive:
        names = [name for name in archive.namelist() if name.endswith(".pth")]
        return {n: torch.load(io.BytesIO(archive.read(n)), weights_only=True) for n in names}


def equal(a: Any, b: Any) -> bool:
    """Equality of nested containers of tensors, bit for bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return a == b


def assert_same_run(a: Path, b: Path) -> None:
    """The runs at `a` and `b` ended in the same state: weights, optimisers, counters and metrics."""
    one, two = meta(a), meta(b)
    assert one["status"] == two["status"] == "finished"
    assert one["weights_sha256"] == two["weights_sha256"] is not None
    assert (one["steps"], one["updates"]) == (two["steps"], two["updates"])
    assert equal(tensors(a), tensors(b))
    assert metric_lines(a) == metric_lines(b)
