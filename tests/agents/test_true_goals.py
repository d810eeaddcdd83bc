"""Hindsight with true goals while the policy measures: the truth must not reach a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.contract.runs import tensors

NOISE = "obs_noise:std=0.02,true_goals=true"
TRAIN = (
    "train --algo sac --her --env FetchReach-v4 --n-envs 2 --total-steps 200 --learning-starts 100 --batch-size 20 "
    "--gradient-steps 1 --net-arch 16 16 --eval-every 0 --track none --device cpu --seed 0 --buffer-size 1000"
)


def test_no_network_reads_the_true_goal(tmp_path: Path, commands: Any) -> None:
    for name, wrap in (("true", NOISE), ("noisy", "obs_noise:std=0.02")):
        done = commands(f"{TRAIN} --wrap {wrap} --backend fast --out {name}", tmp_path)
        assert done.status == 0, done.stderr
    # Inputs in stock's order: achieved goal (3), desired goal (3), observation (10).
    found = {name: tensors(tmp_path / name)["policy.pth"] for name in ("true", "noisy")}
    layers = [key for key in found["true"] if key.endswith(".0.weight")]
    assert len(layers) >= 3
    for key in layers:
        assert not found["true"][key][:, :3].any(), key
        assert found["true"][key][:, 3:16].abs().min() > 0, key
        assert found["noisy"][key][:, :3].abs().min() > 0, key


def test_a_learner_that_would_read_it_is_refused(tmp_path: Path, commands: Any) -> None:
    line = commands(f"{TRAIN} --wrap {NOISE} --backend sb3 --out stock", tmp_path).one_line()
    assert "true_goals needs --backend fast" in line
