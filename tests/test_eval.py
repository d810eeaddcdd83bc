"""`eval.py` as a library, and what it prints."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from agents.build import choose_device
from analysis.reports import EvalReport, load
from common.errors import UserError
from configs.train_config import TrainConfig
from envs.make import register
from eval import EvalConfig, chosen_seeds, describe, evaluate, main
from tests.contract import tiny
from tests.test_train import SMALL
from train import run


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained checkpoint, `a.zip`."""
    register()
    tiny.register()
    folder = tmp_path_factory.mktemp("trained")
    run(TrainConfig(**SMALL | {"out": str(folder / "a"), "eval_every": 0}, track="none"))
    return folder


def config(place: Path, **known: object) -> EvalConfig:
    return EvalConfig(ckpt=str(place / "a.zip"), env="TinyReach-v0", **known)


@pytest.mark.parametrize(
    ("known", "seeds"),
    [
        ({}, list(range(100))), ({"n_episodes": 3}, [0, 1, 2]), ({"seeds": "4-6"}, [4, 5, 6]),
        ({"seeds": "4-9", "n_episodes": 2}, [4, 5]), ({"seeds": "7"}, [7]), ({"seeds": "7", "n_episodes": 2}, [7, 8]),
        ({"seed": 7}, [7]), ({"seed": 7, "n_episodes": 3}, [7, 8, 9]), ({"seeds": "9,2"}, [9, 2]),
    ],
)  # fmt: skip
def test_which_seeds(known: dict[str, object], seeds: list[int]) -> None:
    assert chosen_seeds(EvalConfig(ckpt="a", env="b", **known)) == seeds


@pytest.mark.parametrize(
    "known",
    [{"n_episodes": 0}, {"n_episodes": -1}, {"seed": 1, "seeds": "2"}, {"seed": -1}, {"seed": 1, "n_episodes": 0}],
)
def test_seeds_that_cannot_be(known: dict[str, object]) -> None:
    with pytest.raises(UserError):
        chosen_seeds(EvalConfig(ckpt="a", env="b", **known))


def test_a_report_from_a_script(place: Path) -> None:
    report = evaluate(config(place, seeds="0-3", json_out=str(place / "r.json")))
    assert load(place / "r.json", EvalReport) == report
    assert report.policy == "a.zip" and len(report.checkpoint_sha256) == 64
    assert report.training["steps"] == 60 and report.training["her"] is True
    assert [e.seed for e in report.episodes] == [0, 1, 2, 3]
    assert all(e.length == tiny.LENGTH for e in report.episodes)
    assert report.evaluation_protocol == "deterministic policy, seeds 0-3, success at the last step"


def test_the_device_that_was_used_not_the_one_asked_for(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert evaluate(config(place, seeds="0", device="auto")).device == choose_device("auto") != "auto"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert evaluate(EvalConfig(ckpt="zero", env="TinyReach-v0", seeds="0", device="cuda")).device == "cpu"


def test_with_and_without_the_ending(place: Path) -> None:
    short = EvalConfig(ckpt=str(place / "a"), env="TinyReach-v0", seeds="0-1")
    assert evaluate(short).episodes == evaluate(config(place, seeds="0-1")).episodes


def test_another_task_with_equal_spaces(tmp_path: Path) -> None:
    """Trained on the dense reward, judged on the sparse one: equal episodes, other returns, and the report says so."""
    small = SMALL | {"env": "FetchReachDense-v4", "out": str(tmp_path / "d"), "eval_every": 0, "learning_starts": 100}
    run(TrainConfig(**small, track="none"))
    wanted = EvalConfig(ckpt=str(tmp_path / "d.zip"), env="FetchReachDense-v4", seeds="0-2")
    dense = evaluate(wanted)
    other = dataclasses.replace(wanted, env="FetchReach-v4")
    with pytest.raises(UserError, match="trained on FetchReachDense-v4; pass --env FetchReachDense-v4, or --allow-oth"):
        evaluate(other)
    sparse = evaluate(dataclasses.replace(other, allow_other_env=True))
    assert [e.final_distance for e in sparse.episodes] == [e.final_distance for e in dense.episodes]
    assert all(e.return_ == int(e.return_) for e in sparse.episodes)
    assert dense.perturbation is None and sparse.perturbation.trained_on == "FetchReachDense-v4"
    assert sparse.env_id == sparse.task.env_id == "FetchReach-v4"
    assert "perturbed: trained on FetchReachDense-v4" in describe(sparse)


def test_an_agent_and_the_checkpoint_of_its_name_are_one(place: Path) -> None:
    one = evaluate(EvalConfig(ckpt="random", env="TinyReach-v0", seeds="0-3"))
    other = evaluate(EvalConfig(agent="random", env="TinyReach-v0", seeds="0-3"))
    assert one.episodes == other.episodes and one.policy == other.policy == "random"


def test_settings_that_say_nothing_are_left_out(place: Path) -> None:
    """So that a plain evaluation has the configuration and the hash that it always had."""
    report = evaluate(config(place, seeds="0"))
    assert set(report.config) == {
        "ckpt", "env", "n_episodes", "seeds", "seed", "deterministic", "video", "video_episodes", "video_size",
        "n_envs", "device", "trust_checkpoint",
    }  # fmt: skip
    assert "wrap" in evaluate(config(place, seeds="0", wrap=("lowpass",))).config


def test_no_report_where_none_was_asked_for(place: Path) -> None:
    before = set(place.iterdir())
    evaluate(config(place, seeds="0"))
    assert set(place.iterdir()) == before


def test_every_rate_has_its_n_and_its_interval(place: Path) -> None:
    text = describe(evaluate(config(place, seeds="0-9")))
    for line in text.splitlines()[1:3]:
        assert " of " in line and "[" in line and "]" in line
    assert "final distance" in text and " m" in text


def test_never_solved_is_said_in_words(place: Path) -> None:
    # Seed by seed, so that one of them is certainly not solved by doing nothing.
    reports = [evaluate(EvalConfig(ckpt="zero", env="TinyReach-v0", seeds=str(seed))) for seed in range(4)]
    unsolved = [r for r in reports if not r.aggregate.success_any.successes]
    assert unsolved and "time to success    none" in describe(unsolved[0])


def test_what_is_printed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    argv = ["--ckpt", str(place / "a.zip"), "--env", "TinyReach-v0", "--seeds", "0-1"]
    assert main([*argv, "--json-out", str(place / "p.json")]) == 0
    printed = capsys.readouterr()
    assert printed.err == "" and f"report -> {place / 'p.json'}" in printed.out
    assert main([*argv, "--sedes", "0"]) == 2
    assert capsys.readouterr().err.startswith("error: ")
