"""The bad-input table of the design: exit status 2, one line that says what to do, and nothing half-written."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.contract.runs import TINY, meta

GPU = torch.cuda.is_available()
FETCH = "train --algo sac --env FetchReach-v4 --out a"
EVAL = "eval --ckpt a.zip --env TinyReach-v0"
# command, words of the line
WRONG = [
    # unknown environment, algorithm, flag
    ("train --algo sac --env FetchReech-v4 --out a", ["FetchReech-v4", "Did you mean FetchReach-v4?"]),
    ("train --algo sac --env fetchpush-v4 --out a", ["Did you mean FetchPush-v4?"]),
    ("train --algo sac --env FetchPush-v3 --out a", ["only v4", "FetchPush-v4"]),
    ("train --algo sac --env nothing --out a", ["unknown environment nothing"]),
    ("train --algo sack --env FetchReach-v4 --out a", ["sack", "Did you mean sac?"]),
    ("train --algo SAC --env FetchReach-v4 --out a", ["SAC", "Did you mean sac?"]),
    (f"{FETCH} --gama 0.9", ["--gama", "Did you mean --gamma?"]),
    (f"{FETCH} --total-step 9", ["--total-step", "Did you mean --total-steps?"]),
    (f"{FETCH} --backend ours", ["ours"]),
    (f"{FETCH} --device gpu", ["gpu"]),
    (f"{FETCH} --track wandb", ["wandb"]),
    ("train --env FetchReach-v4", ["--algo"]),
    ("train --algo sac", ["--env"]),
    ("train", ["--algo"]),
    (f"{FETCH} surplus", ["surplus"]),
    # numbers
    (f"{FETCH} --gamma high", ["gamma", "high"]),
    (f"{FETCH} --gamma 2", ["--gamma 2", "between 0 and 1"]),
    (f"{FETCH} --gamma nan", ["--gamma nan"]),
    (f"{FETCH} --learning-rate inf", ["--learning-rate inf"]),
    (f"{FETCH} --learning-rate -1", ["--learning-rate -1", "above 0"]),
    (f"{FETCH} --total-steps 0", ["--total-steps 0", "above 0"]),
    (f"{FETCH} --total-steps 1.5", ["total-steps", "1.5"]),
    (f"{FETCH} --n-envs 0", ["--n-envs 0"]),
    (f"{FETCH} --n-envs -3", ["--n-envs -3"]),
    (f"{FETCH} --batch-size 0", ["--batch-size 0"]),
    (f"{FETCH} --gradient-steps 0", ["--gradient-steps 0"]),
    (f"{FETCH} --n-steps 0", ["--n-steps 0", "must be above 0"]),
    (f"{FETCH} --action-persistence 0.5", ["--action-persistence 0.5", "must be at least 1"]),
    (f"{FETCH} --achieved-goal-prob 1.5", ["--achieved-goal-prob 1.5", "between 0 and 1"]),
    (f"{FETCH} --backend sb3 --n-steps 2", ["--n-steps", "fast"]),
    (f"{FETCH} --net-arch 0 16", ["--net-arch"]),
    (f"{FETCH} --seed -1", ["--seed -1"]),
    (f"{FETCH} --seed 4294967296", ["--seed 4294967296"]),
    (f"{FETCH} --seed one", ["seed", "one"]),
    (f"{FETCH} --buffer-size 10", ["--buffer-size 10", "episode"]),
    (f"{FETCH} --buffer-size 1{'0' * 40}", ["--buffer-size"]),
    # tasks
    (f"{FETCH} --wrap lopass", ["unknown wrapper lopass", "Did you mean lowpass?"]),
    (f"{FETCH} --wrap lowpass:alfa=1", ["unknown argument alfa", "Did you mean alpha?"]),
    (f"{FETCH} --wrap lowpass:alpha=2", ["alpha must lie"]),
    (f"{FETCH} --wrap lowpass:alpha", ["expected lowpass:key=value"]),
    (f"{FETCH} --wrap obs_noise:std=nan", ["std=", "expected float"]),
    (f"{FETCH} --wrap no_such_module:x", ["module no_such_module cannot be imported"]),
    (f"{FETCH} --wrap", ["wrap"]),
    (f"{FETCH} --env-option goal_ranges=1", ["no option goal_ranges", "Did you mean goal_range?"]),
    (f"{FETCH} --env-option goal_range", ["expected key=value"]),
    (f"{FETCH} --env-option goal_range=-1", ["goal_range=-1"]),
    (f"{FETCH} --env-option max_episode_steps=0", ["max_episode_steps=0"]),
    (f"{FETCH} --env-option max_episode_steps=many", ["max_episode_steps=many"]),
    ("train --algo sac --env no_such_module:FetchReach-v4 --out a", ["no_such_module cannot be imported"]),
    ("train --algo sac --env os:Reach-v4 --out a", ["unknown environment Reach-v4"]),
    # combinations
    ("train --algo ppo --env FetchReach-v4 --her --out a", ["--her", "off-policy"]),
    ("train --algo sac --env TinyFlat-v0 --her --out a", ["--her", "goal-conditioned"]),
    ("train --algo sac --env CartPole-v1 --out a", ["continuous actions"]),
    ("train --algo sac --env Pendulum-v1 --out a", ["goal-conditioned", "use --backend sb3 on Pendulum-v1."]),
    ("train --algo sac --her --env TinyReach-v0 --mirror True --out a", ["--mirror", "Fetch"]),
    ("train --algo ppo --env FetchReach-v4 --buffer-size 9 --out a", ["--buffer-size does not exist in ppo"]),
    ("train --algo ppo --env FetchReach-v4 --ent-coef auto --out a", ["--ent-coef auto"]),
    ("train --algo ppo --env FetchReach-v4 --batch-size 1 --out a", ["--batch-size"]),
    ("train --algo td3 --env FetchReach-v4 --ent-coef 0.1 --out a", ["--ent-coef does not exist in td3"]),
    (f"{FETCH} --her-n-sampled-goal 4", ["--her-n-sampled-goal needs --her"]),
    (f"{FETCH} --her --her-goal-selection-strategy best", ["best"]),
    ("train --algo sac --env LunarLander-v3 --out a", ["LunarLander-v3"]),
    # recipes and places
    (f"{FETCH} --config no_such", ["no recipe no_such"]),
    (f"{FETCH} --config sac_her_FetchReech-v4", ["Did you mean sac_her_FetchReach-v4?"]),
    (f"{FETCH} --config sac_her_FetchReach-v4", ["recipe", "her"]),
    ("train --algo sac --env FetchReach-v4 --out /", ["--out", "file name"]),
    ("train --algo sac --env FetchReach-v4 --out ..", ["--out", "file name"]),
    ("train --algo sac --env FetchReach-v4 --out file/a", ["cannot write file/a.zip"]),
    ("train --algo sac --env FetchReach-v4 --out file/deeper/a", ["cannot write file/deeper/a.zip"]),
    ("train --algo sac --env FetchReach-v4 --out folder", ["folder.zip is a folder"]),
    (f"train --algo sac --env FetchReach-v4 --out {'x' * 300}", ["cannot write"]),
    # evaluation
    ("eval --ckpt no.zip --env TinyReach-v0", ["no.zip does not exist"]),
    ("eval --ckpt okk.zip --env TinyReach-v0", ["does not exist", "Did you mean ok.zip?"]),
    ("eval --ckpt file --env TinyReach-v0", ["file.zip does not exist"]),
    ("eval --ckpt bad.zip --env TinyReach-v0", ["bad.zip is truncated or no zip file"]),
    ("eval --ckpt folder.zip --env TinyReach-v0", ["folder.zip is truncated or no zip file"]),
    ("eval --ckpt alone.zip --env TinyReach-v0", ["alone.meta.json is missing", "--trust-checkpoint"]),
    ("eval --ckpt bad.zip --env TinyReach-v0 --trust-checkpoint", ["bad.zip is truncated"]),
    ("eval --ckpt ok.zip --env FetchReach-v4", ["trained on TinyReach-v0; pass --env TinyReach-v0"]),
    ("eval --ckpt alone.zip --env FetchReach-v4 --trust-checkpoint", ["another task", "spaces differ"]),
    ("eval --ckpt ok.zip --env TinyFlat-v0", ["not goal-conditioned"]),
    ("eval --ckpt ok.zip --env TinyReech-v0", ["Did you mean TinyReach-v0?"]),
    ("eval --env TinyReach-v0", ["--ckpt or --agent"]),
    ("eval --ckpt ok.zip --agent zero --env TinyReach-v0", ["--ckpt or --agent"]),
    ("eval --agent zeros --env TinyReach-v0", ["unknown agent zeros", "Did you mean zero?"]),
    ("eval --agent zero:x=1 --env TinyReach-v0", ["unknown argument x", "takes no arguments"]),
    ("eval --agent zero --env TinyFlat-v0", ["not goal-conditioned"]),
    ("eval --agent zero --env TinyReach-v0 --allow-other-env", ["--allow-other-env"]),
    ("eval --agent random --env CartPole-v1", ["not goal-conditioned"]),
    ("eval --ckpt ok.zip --env FetchReach-v4 --allow-other-env", ["does not fit FetchReach-v4", "spaces differ"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --wrap lopass", ["Did you mean lowpass?"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --modules no_such_module", ["cannot be imported"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --env-option nan_aftr=1", ["Did you mean nan_after?"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --n-env 2", ["Did you mean --n-envs?"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --n-envs 0", ["--n-envs"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --n-episodes 0", ["--n-episodes 0"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --n-episodes 5 --seeds 0-3", ["--n-episodes 5"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --seed 1 --seeds 0-3", ["--seeds or --seed"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --json-out file/r.json", ["cannot write file/r.json"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --json-out folder.zip", ["folder.zip is a folder"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --video-out v.avi", ["v.avi", ".mp4 or .gif"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --video-out file/v.gif", ["cannot write file/v.gif"]),
    ("eval --ckpt ok.zip --env TinyReach-v0 --video --video-size 5", ["--video-size"]),
    *(
        (f"eval --ckpt ok.zip --env TinyReach-v0 --seeds {seeds}", ["accepted forms", "0-99", "0,1,2"])
        for seeds in ("5-3", "1,,2", "abc", "1;2", "0-", ",", "1.5", "0,0", "0-3,2", "9999999999999")
    ),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, commands: Any) -> Path:
    """A folder with a good checkpoint, one without metadata, a broken one, a file and a folder."""
    folder = tmp_path_factory.mktemp("place")
    assert commands(f"{TINY} --out ok", folder).status == 0
    shutil.copy(folder / "ok.zip", folder / "alone.zip")
    (folder / "bad.zip").write_text("not a zip file")
    (folder / "file").write_text("a file")
    (folder / "folder.zip").mkdir()
    return folder


@pytest.mark.parametrize(("command", "words"), WRONG, ids=[command for command, _ in WRONG])
def test_a_mistake_is_one_line_and_changes_nothing(place: Path, commands: Any, command: str, words: list[str]) -> None:
    before = sorted(str(p) for p in place.rglob("*"))
    done = commands(command, place)
    line = done.one_line()
    assert line.startswith("error: ") and len(line) < 1000
    for word in words:
        assert word in line
    assert done.stdout == ""
    assert sorted(str(p) for p in place.rglob("*")) == before


@pytest.mark.skipif(GPU, reason="there is a GPU here")
def test_no_gpu(place: Path, commands: Any) -> None:
    assert "sees no GPU" in commands(f"{TINY} --out b --device cuda", place).one_line()
    assert "sees no GPU" in commands("eval --ckpt ok.zip --env TinyReach-v0 --device cuda", place).one_line()
    # `auto` takes the next best and says which.
    assert commands(f"{TINY} --out auto --device auto", place).status == 0
    assert meta(place / "auto")["device"] == "cpu"


def test_a_folder_that_may_not_be_written(commands: Any, root: Path) -> None:
    if os.geteuid() == 0 and not all(folder.stat().st_mode & stat.S_IXOTH for folder in (root, *root.parents)):
        pytest.skip("root may write anywhere, and another user may not read this checkout")
    # Not pytest's own folder, which other users may not enter.
    folder = Path(tempfile.mkdtemp())
    try:
        (folder / "shut").mkdir()
        folder.chmod(0o755)
        (folder / "shut").chmod(0o555)
        # Root may write anywhere; for the length of the command we are nobody.
        setup = "os.geteuid() == 0 and os.seteuid(65534)"
        assert "Permission denied" in commands(f"{TINY} --out shut/a", folder, setup=setup).one_line()
        assert list((folder / "shut").iterdir()) == []
    finally:
        (folder / "shut").chmod(0o755)
        shutil.rmtree(folder)


def test_logs_that_cannot_be_written(tmp_path: Path, commands: Any) -> None:
    (tmp_path / "runs").write_text("in the way")
    line = commands(TINY.replace("--track none", "--track tb") + " --out a", tmp_path).one_line()
    assert "runs" in line or "cannot" in line


def test_a_checkpoint_without_metadata_but_with_trust(place: Path, commands: Any) -> None:
    done = commands(
        "eval --ckpt alone.zip --env TinyReach-v0 --seeds 0-3 --trust-checkpoint --json-out trusted.json", place
    )
    assert done.status == 0, done.stderr
    assert commands("eval --ckpt ok.zip --env TinyReach-v0 --seeds 0-3 --json-out safe.json", place).status == 0
    trusted, safe = (json.loads((place / name).read_text()) for name in ("trusted.json", "safe.json"))
    assert trusted["episodes"] == safe["episodes"]
    assert trusted["training"] is None and safe["training"]["algo"] == "sac"


FAKE = "raise ImportError('no GL library here')\n"


def test_a_machine_that_cannot_render(tmp_path: Path, root: Path) -> None:
    """Real processes: the choice is made while MuJoCo is imported."""
    (tmp_path / "fake" / "OpenGL").mkdir(parents=True)
    (tmp_path / "fake" / "OpenGL" / "__init__.py").write_text(FAKE)
    environment = {k: v for k, v in os.environ.items() if k != "ROBOTICS_RL_RENDERING"}
    environment |= {"PYTHONPATH": str(tmp_path / "fake"), "MUJOCO_GL": "egl"}
    line = (
        f"{sys.executable} {root}/eval.py --ckpt zero --env FetchReach-v4 --seeds 0-1 --json-out r.json "
        "--video-out v.mp4"
    )
    done = subprocess.run(
        line.split(), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "0 of 2" in done.stdout
    assert done.stderr.count("no video: this machine renders with neither EGL nor OSMesa") == 1
    assert "Traceback" not in done.stderr and len(done.stderr.splitlines()) <= 2
    assert (tmp_path / "r.json").exists() and not (tmp_path / "v.mp4").exists()
