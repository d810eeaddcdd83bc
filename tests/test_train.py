"""`train.py` as a library, and what it prints."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from analysis.logs import evaluations, read_log
from analysis.reports import TrainMeta, load, schema_text
from common.errors import UserError
from configs.described import all_settings, evaluation_command, in_one_line
from configs.recipes import resolve
from configs.train_config import TrainConfig
from envs.make import register
from tests.contract import tiny
from train import main, prepare, resolved_for, run

SMALL = {
    "algo": "sac", "env": "TinyReach-v0", "her": True, "backend": "sb3", "out": "a", "total_steps": 60, "n_envs": 2,
    "checkpoint_every": 20, "eval_every": 40, "eval_episodes": 2, "learning_starts": 20, "gradient_steps": 1,
    "buffer_size": 500, "batch_size": 10, "net_arch": (8,), "device": "cpu",
}  # fmt: skip


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs write where they are told from the folder they are started in."""
    register()
    tiny.register()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_from_a_script(place: Path) -> None:
    meta = run(TrainConfig(**SMALL, track="tb"))
    assert load("a.meta.json", TrainMeta) == meta
    assert (meta.status, meta.steps, meta.total_steps, meta.resumed) == ("finished", 60, 60, 0)
    assert meta.updates == 20 and meta.steps_per_second > 0 and meta.updates_per_second > 0
    assert len(meta.weights_sha256) == 64
    assert meta.seeds == [0] and meta.n_envs == 2 and meta.device == "cpu" and meta.env_id == "TinyReach-v0"
    # At every multiple of eval_every and at the end.
    assert [e.steps for e in meta.evaluations] == [40, 60]
    assert all(e.success.n == 2 for e in meta.evaluations)
    assert evaluations(read_log("a.metrics.jsonl")) == meta.evaluations
    logs = [p for p in (place / "runs").rglob("*") if "tfevents" in p.name]
    assert len(logs) == 1
    tensorboard = EventAccumulator(str(logs[0].parent)).Reload()
    points = [(point.step, point.value) for point in tensorboard.Scalars("eval/success")]
    assert points == [(e.steps, pytest.approx(e.success.rate)) for e in meta.evaluations]
    assert sorted(p.name for p in place.iterdir()) == ["a.meta.json", "a.metrics.jsonl", "a.zip", "runs"]


def test_the_metadata_fits_its_schema(place: Path, root: Path) -> None:
    run(TrainConfig(**SMALL, track="none"))
    schema = json.loads(schema_text("train"))
    found = json.loads((place / "a.meta.json").read_text())
    assert set(found) == set(schema["properties"])
    assert (root / "analysis/schemas/train.schema.json").read_text() == schema_text("train")
    for key in ("torch", "stable-baselines3", "numpy", "mujoco", "gymnasium", "gymnasium-robotics", "python"):
        assert found["versions"][key]
    assert found["config"]["gamma"] == 0.99 and found["sources"]["gamma"] == "default"
    assert found["sources"]["n_envs"] == "flag"


@pytest.mark.parametrize("algo", ["sac fast", "td3 fast", "sac sb3", "ppo sb3"])
def test_the_learning_rate_falls_to_its_share(place: Path, algo: str) -> None:
    name, backend = algo.split()
    rest = {"n_steps": 10, "env": "TinyFlat-v0"} if name == "ppo" else {"her": True, "env": "TinyReach-v0"}
    off_policy = {} if name == "ppo" else {"learning_starts": 20, "gradient_steps": 1, "buffer_size": 500}
    config = TrainConfig(
        algo=name, backend=backend, out="a", total_steps=200, n_envs=2, checkpoint_every=60, eval_every=0, track="none",
        batch_size=10, net_arch=(8,), device="cpu", learning_rate=1e-2, learning_rate_end_factor=0.1,
        **rest, **off_policy,
    )  # fmt: skip
    this = prepare(resolved_for(config))
    this.train()
    seen = [(row["steps"], row["train/learning_rate"]) for row in read_log("a.metrics.jsonl")
            if "train/learning_rate" in row]  # fmt: skip
    assert len(seen) > 4
    # r(n) = r₀ (1 − 0.9 n / N), as of the update before, which was one round of steps ago.
    for steps, rate in seen:
        lower, upper = (1e-2 * (1 - 0.9 * n / 200) for n in (steps, steps - 20))
        assert lower - 1e-9 <= rate <= upper + 1e-9
    if backend == "fast":
        learner = this.model.learner
        rates = [one.learning_rate.item() for one in (learner.actor_optimizer, learner.critic_optimizer)]
    elif name == "sac":
        rates = [optimizer.param_groups[0]["lr"] for optimizer in (this.model.actor.optimizer,
                 this.model.critic.optimizer, this.model.ent_coef_optimizer)]  # fmt: skip
    else:
        rates = [this.model.policy.optimizer.param_groups[0]["lr"]]
    assert rates == pytest.approx([1e-3] * len(rates))


def test_without_evaluations(place: Path) -> None:
    meta = run(TrainConfig(**SMALL | {"eval_every": 0}, track="none"))
    assert meta.evaluations == [] and meta.evaluation_protocol is None


def test_in_a_thread(place: Path) -> None:
    # A notebook or a sweep may do this; signals belong to the main thread and stay there.
    found = []
    thread = threading.Thread(target=lambda: found.append(run(TrainConfig(**SMALL, track="none")).status))
    thread.start()
    thread.join()
    assert found == ["finished"]


def test_a_mistake_is_raised_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UserError, match="Did you mean TinyReach-v0"):
        run(TrainConfig(**SMALL | {"env": "TinyReech-v0"}))
    assert capsys.readouterr() == ("", "")


def test_a_task_without_goals_trains_without_evaluations(place: Path) -> None:
    known = SMALL | {"env": "TinyFlat-v0", "her": False}
    meta = run(TrainConfig(**known, track="none"))
    assert meta.evaluations == [] and meta.evaluation_protocol is None


def test_what_is_printed_about_a_task_without_goals(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = "--algo ppo --env TinyFlat-v0 --out a --total-steps 8 --n-envs 2 --n-steps 4 --batch-size 8 --track none"
    assert main(flags.split()) == 0
    out = capsys.readouterr().out
    assert "finished: 8 steps" in out and "Evaluate" not in out and "evaluations" not in out


def test_what_is_printed(place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ROBOTICS_RL_DEV", raising=False)
    argv = [
        f"--{k.replace('_', '-')}={v}" for k, v in SMALL.items() if k not in ("her", "net_arch", "eval_episodes")
    ]  # fmt: skip
    assert main([*argv, "--her", "--track", "none"]) == 0
    out = capsys.readouterr().out
    for words in (
        "SAC + HER on TinyReach-v0, seed 0, to a.zip",
        "defaults, but backend=sb3, total_steps=60",
        "exploring:",
        "finished: 60 steps",
    ):
        assert words in out
    assert "evaluations come with checkpoints" not in out
    # The last thing is what to do next, and it works as printed.
    assert evaluation_command("a", "TinyReach-v0") in out
    from eval import main as evaluate

    assert evaluate(evaluation_command("a", "TinyReach-v0").split()[2:]) == 0
    assert json.loads((place / "results" / "a_eval.json").read_text())["aggregate"]["success"]["n"] == 100


def test_outside_of_the_environment_the_next_command_enters_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROBOTICS_RL_DEV", "1")
    assert evaluation_command("a", "FetchReach-v4").startswith("bash docker/dev.sh python eval.py --ckpt a.zip ")


def test_the_next_command_survives_a_strange_name() -> None:
    import shlex

    words = shlex.split(evaluation_command("my runs/it's", "FetchReach-v4"))
    assert "my runs/it's.zip" in words and "results/it's_eval.json" in words


def test_settings_are_shown_by_their_source() -> None:
    text = all_settings(resolve(TrainConfig(**SMALL), tiny.LENGTH))
    lines = {line.strip().split(":")[0]: line for line in text.splitlines()}
    assert "n_envs=2" in lines["flags"] and "gamma=" in lines["defaults"]
    assert "gamma=" not in lines["flags"]


def test_one_line_says_the_recipe_and_what_departs_from_it() -> None:
    reach = {"algo": "sac", "her": True, "env": "FetchReach-v4"}
    assert in_one_line(resolve(TrainConfig(**reach))) == (
        "  recipe sac_her_FetchReach-v4; --show-settings prints all settings"
    )
    text = in_one_line(resolve(TrainConfig(**reach, gamma=0.9, learning_starts=10)))
    # Raised to what hindsight needs, so not what the flag said.
    assert "but gamma=0.9, learning_starts=400; --show" in text
    assert in_one_line(resolve(TrainConfig(**SMALL), tiny.LENGTH)).startswith(
        "  defaults, but backend=sb3, total_steps=60, n_envs=2"
    )
    # A wrapper as it was typed: what it has of defaults is a setting of the run, and no news.
    wrapped = resolved_for(TrainConfig(**reach, wrap=("plant:delay=1",)))
    assert "but wrap=['plant:delay=1']; --show" in in_one_line(wrapped)
    assert "damping=1.0" in all_settings(wrapped) and "damping" not in in_one_line(wrapped)


def test_all_settings_on_demand(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    known = {k: v for k, v in SMALL.items() if k not in ("her", "net_arch")}
    words = [*(f"--{k.replace('_', '-')}={v}" for k, v in known.items()), "--her", "--track", "none", "--overwrite"]
    assert main(words) == 0
    brief = capsys.readouterr().out
    assert main([*words, "--show-settings"]) == 0
    full = capsys.readouterr().out
    assert "gamma=" not in brief and "--show-settings" in brief
    assert "gamma=0.99" in full and "--show-settings" not in full
    # What is printed is no setting of the run.
    assert "show_settings" not in load("a.meta.json", TrainMeta).config


@pytest.mark.parametrize("how", [{"backend": "fast"}, {"backend": "sb3"}, {"algo": "ppo", "n_steps": 10}])
def test_evaluations_do_not_change_what_is_learned(place: Path, how: dict[str, Any]) -> None:
    other = ("her", "backend", "learning_starts", "gradient_steps", "buffer_size") if "algo" in how else ()
    settings = {key: value for key, value in SMALL.items() if key not in other}
    found = {
        every: run(TrainConfig(**settings | {"out": f"a{every}", "eval_every": every} | how, track="none"))
        for every in (0, 20, 40)
    }
    assert [len(meta.evaluations) for meta in found.values()] == [0, 3 if "algo" in how else 2, 2]
    assert len({meta.weights_sha256 for meta in found.values()}) == 1


def test_evaluations_more_often_than_checkpoints_are_not_promised(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {k: v for k, v in SMALL.items() if k not in ("her", "net_arch")} | {"eval_every": 10}
    assert main([*(f"--{k.replace('_', '-')}={v}" for k, v in known.items()), "--her", "--track", "none"]) == 0
    assert "evaluations come with checkpoints, every 20 steps" in capsys.readouterr().out
    # None at step 20: nothing has been learned before the first update.
    assert [e.steps for e in load("a.meta.json", TrainMeta).evaluations] == [40, 60]


def test_two_starts_that_overwrite_do_not_share_files(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both have looked for the lock before one of them takes it."""
    run(TrainConfig(**SMALL, track="none"))
    again = resolved_for(TrainConfig(**SMALL, track="none", overwrite=True))
    first, second = prepare(again), prepare(again)
    segment, refused = first._one_segment, []

    def with_another() -> None:
        if not refused:
            with pytest.raises(UserError, match="another process is training a right now"):
                second.train()
            refused.append(True)
        segment()

    monkeypatch.setattr(first, "_one_segment", with_another)
    assert first.train().status == "finished" and refused
    second.env.close()
