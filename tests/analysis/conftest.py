"""Makers of small reports and logs for the tests of this folder; session-wide, so that hypothesis accepts them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis.metrics import aggregate, rate
from analysis.reports import EpisodeRecord, EvalReport, Hardware

METADATA = {
    "status": "finished",
    "created": "2024-01-01T00:00:00+00:00",
    "commit": None,
    "dirty": None,
    "command": "python eval.py",
    "config": {},
    "config_hash": "0",
    "device": "cpu",
    "hardware": Hardware(cpu="test", cores=1, memory_gib=None, gpu=None, platform="Linux"),
    "n_envs": 1,
    "versions": {},
    "wall_clock_s": 1.0,
}


def _episode(seed: int, success: bool, **known: object) -> EpisodeRecord:
    values = {
        "seed": seed, "success": success, "success_any": success, "success_distance": success,
        "solved_at_reset": False, "final_distance": 0.01 if success else 0.2, "return": -10.0, "length": 50,
        "time_to_success": 10 if success else None, "smoothness": 1.0, "peak_action": 1.0, "policy_smoothness": 1.0,
        "policy_peak_action": 1.0, "path_length": 0.5,
    }  # fmt: skip
    return EpisodeRecord(**(values | known))


def _report(episodes: list[EpisodeRecord], **known: object) -> EvalReport:
    fields = METADATA | {"env_id": "FetchPush-v4", "seeds": [e.seed for e in episodes], "policy": "test"} | known
    return EvalReport(deterministic=True, episodes=episodes, aggregate=aggregate(episodes), **fields)


def _evaluation_line(steps: int, successes: int, n: int = 20, net: int | None = None) -> str:
    flags = [True] * successes + [False] * (n - successes)
    kept = flags if net is None else flags[:net]
    return json.dumps(
        {
            "kind": "evaluation", "steps": steps, "updates": steps, "wall_clock_s": steps / 100,
            "success": rate(flags).model_dump(), "success_net": rate(kept).model_dump(),
        }
    )  # fmt: skip


@pytest.fixture(scope="session")
def metadata() -> dict[str, object]:
    return METADATA | {"env_id": None, "seeds": []}


@pytest.fixture(scope="session")
def make_episode() -> Callable[..., EpisodeRecord]:
    return _episode


@pytest.fixture(scope="session")
def make_report() -> Callable[..., EvalReport]:
    return _report


@pytest.fixture(scope="session")
def evaluation_line() -> Callable[..., str]:
    return _evaluation_line


@pytest.fixture(scope="session")
def root() -> Path:
    return Path(__file__).resolve().parents[2]
