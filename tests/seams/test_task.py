"""An environment, wrappers and a controller from outside: trained, killed, continued and evaluated by command."""

from __future__ import annotations

import json
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest

from agents.checkpoint import STATE
from common.provenance import config_hash
from tests.contract.runs import COMMON, assert_same_run, meta

ENV = "--env tests.seams.my_slope:Slope-v0"
STICKY = "tests.seams.my_wrappers:sticky:prob=0.3"
SETTINGS = COMMON.replace("--eval-every 0", "--eval-every 40 --eval-episodes 2").replace("--backend sb3 ", "")
TRAIN = (
    f"train --algo sac --her {ENV} --wrap {STICKY} --wrap lowpass:alpha=0.8 --env-option steepness=0.2 "
    f"--total-steps 80 --checkpoint-every 20 {SETTINGS} --learning-starts 20 --gradient-steps 1 --buffer-size 500"
)
TASK = {"wrap": [STICKY, "lowpass:alpha=0.8"], "env_option": ["steepness=0.2"]}


@pytest.mark.parametrize("name", ["my_slope", "my_controller"])
def test_each_takes_at_most_thirty_lines(root: Path, name: str) -> None:
    lines = (root / f"tests/seams/{name}.py").read_text().splitlines()
    assert len([line for line in lines if line.strip() and not line.startswith(("import", "from", '"""'))]) <= 30


@pytest.mark.parametrize("backend", ["fast", "sb3"])
@pytest.mark.parametrize("kind", ["threads", "dummy"])
def test_killed_and_continued_equals_undisturbed(tmp_path: Path, commands: Any, backend: str, kind: str) -> None:
    command = f"{TRAIN} --backend {backend} --vec-env {kind}"
    done = commands(f"{command} --out whole", tmp_path)
    assert done.status == 0, done.stderr
    assert f"python eval.py --ckpt whole.zip {ENV} --modules tests.seams.my_wrappers" in done.stdout
    killed = commands(f"{command} --out cut", tmp_path, setup=f"at_step(70, send({int(signal.SIGKILL)}))")
    assert killed.status == -signal.SIGKILL
    # The same task in other words is the same run.
    again = command.replace("lowpass:alpha=0.8", "lowpass:alpha=0.80").replace("steepness=0.2", "steepness=2e-1")
    again = commands(f"{again} --out cut", tmp_path)
    assert again.status == 0, again.stderr
    assert meta(tmp_path / "cut")["resumed"] == 1
    assert_same_run(tmp_path / "whole", tmp_path / "cut")
    config = meta(tmp_path / "whole")["config"]
    assert {key: config[key] for key in TASK} == TASK and config["env"] == "tests.seams.my_slope:Slope-v0"
    other = commands(f"{command} --out cut --wrap scale", tmp_path).one_line()
    assert "other settings (wrap: " in other


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, commands: Any) -> Path:
    folder = tmp_path_factory.mktemp("slope")
    assert commands(f"{TRAIN} --out a", folder).status == 0
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, commands: Any) -> Any:
    def evaluate(flags: str) -> dict[str, Any]:
        done = commands(f"eval {ENV} --seeds 0-5 --json-out r.json {flags}", folder)
        assert done.status == 0, done.stderr
        assert done.stdout.splitlines()[0].endswith(report(folder)["evaluation_protocol"])
        return report(folder)

    return evaluate


def report(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "r.json").read_text())


CKPT = "--ckpt a.zip --modules tests.seams.my_wrappers"


def test_a_checkpoint_is_evaluated_in_the_task_that_it_was_trained_in(run: Any) -> None:
    plain = run(CKPT)
    assert plain["task"] == {
        "env_id": "tests.seams.my_slope:Slope-v0", "wrappers": TASK["wrap"], "options": TASK["env_option"]
    }  # fmt: skip
    assert plain["perturbation"] is None
    assert run(f"{CKPT} --n-envs 5")["episodes"] == plain["episodes"]


def test_what_is_added_left_out_or_set_otherwise_is_a_perturbation(run: Any) -> None:
    plain = run(CKPT)
    noise = "obs_noise:std=0.1,rho=0.0,scale=unit,mixed=false,true_goals=false"
    changed = run(f"{CKPT} --wrap obs_noise:std=0.1 --env-option steepness=0")
    assert changed["task"]["wrappers"] == [*TASK["wrap"], noise]
    assert changed["perturbation"] == {
        "added_wrappers": [noise], "left_out_wrappers": [], "trained_options": ["steepness=0.2"],
        "trained_on": None,
    }  # fmt: skip
    assert changed["evaluation_protocol"].endswith(
        f"perturbed: {noise} added, options steepness=0 instead of steepness=0.2"
    )
    bare = run(f"{CKPT} --no-trained-wraps")
    assert bare["task"]["wrappers"] == [] and bare["perturbation"]["left_out_wrappers"] == TASK["wrap"]
    assert len({json.dumps(r["episodes"]) for r in (plain, changed, bare)}) == 3


def test_a_module_that_only_the_checkpoint_names_is_not_imported(folder: Path, commands: Any) -> None:
    line = commands(f"eval {ENV} --ckpt a.zip", folder).one_line()
    assert "trained with module tests.seams.my_wrappers; add --modules tests.seams.my_wrappers" in line
    # As a stranger would write it: every hash fits.
    described = json.loads((folder / "a.meta.json").read_text())
    described["config"]["wrap"] = ["antigravity:fly"]
    described["config_hash"] = config_hash(described["config"])
    with zipfile.ZipFile(folder / "a.zip") as old, zipfile.ZipFile(folder / "b.zip", "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == STATE:
                data = json.dumps(json.loads(data) | {"config_hash": described["config_hash"]}).encode()
            new.writestr(name, data)
    (folder / "b.meta.json").write_text(json.dumps(described))
    assert "add --modules antigravity" in commands(f"eval {ENV} --ckpt b.zip", folder).one_line()


def test_a_controller(run: Any) -> None:
    found = run("--agent tests.seams.my_controller:towards:gain=4")
    assert found["policy"] == "tests.seams.my_controller:towards:gain=4.0" and found["training"] is None
    assert found["aggregate"]["success_any"]["successes"] >= 4
    assert run("--agent zero")["aggregate"]["success_any"]["successes"] < 4
    wrapped = run("--agent tests.seams.my_controller:towards --wrap delay:steps=2")
    assert wrapped["task"]["wrappers"] == ["delay:steps=2"] and wrapped["perturbation"] is None
