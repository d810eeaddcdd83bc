"""What is logged of a round of updates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from agents.round_means import RoundMeans
from train import TrainConfig, run


def test_each_name_is_averaged_over_the_updates_that_measured_it() -> None:
    means = RoundMeans()
    for i in range(1, 5):
        actor = {"actor_loss": torch.tensor(10.0 * i)} if i % 2 == 0 else {}
        means.add({"critic_loss": torch.tensor(float(i))} | actor)
    values = means.values()
    assert values.keys() == {"critic_loss", "actor_loss"}
    assert values["critic_loss"].item() == 2.5 and values["actor_loss"].item() == 30.0


def test_no_update_measures_nothing() -> None:
    assert RoundMeans().values() == {}


def test_a_value_that_is_not_finite_is_not_lost() -> None:
    means = RoundMeans()
    for value in (1.0, float("nan"), 2.0):
        means.add({"critic_loss": torch.tensor(value)})
    assert means.values()["critic_loss"].isnan()


@pytest.mark.parametrize("algo", ["sac", "td3"])
def test_a_run_logs_means_of_what_its_updates_measured(
    algo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, float]] = []
    add = RoundMeans.add

    def watched(self: RoundMeans, measured: dict[str, torch.Tensor]) -> None:
        seen.append({name: value.item() for name, value in measured.items()})
        add(self, measured)

    monkeypatch.setattr(RoundMeans, "add", watched)
    run(TrainConfig(algo=algo, env="FetchReach-v4", her=True, smoke=True, gradient_steps=6, eval_every=0, track="none",
                    out=str(tmp_path / "a")))  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "a.metrics.jsonl").read_text().splitlines()]
    values = next(row for row in reversed(rows) if "train/critic_loss" in row)
    names = {"critic_loss", "actor_loss", "q_mean", "target_mean", "critic_grad_norm", "actor_grad_norm"}
    for name in names | ({"entropy", "ent_coef"} if algo == "sac" else set()):
        measured = [row[name] for row in seen[-6:] if name in row]
        assert values[f"train/{name}"] == pytest.approx(sum(measured) / len(measured), rel=1e-4), name
    assert len({row["critic_loss"] for row in seen[-6:]}) == 6
