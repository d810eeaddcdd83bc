"""What happens in an episode depends on its seed and the policy alone; the report says what happened."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agents.checkpoint import load_policy
from analysis.reports import EvalReport, load, schema_text
from envs.make import make_env
from envs.rendering import choose_backend
from tests.contract.runs import SAC

PUSH = SAC.replace("FetchReach", "FetchPush")
SEEDS = [0, 1, 2, 7, 11, 12, 40]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, commands: Any) -> Path:
    """A checkpoint of Push, where contacts turn a difference in the last bit into another outcome."""
    folder = tmp_path_factory.mktemp("evaluation")
    assert commands(f"{PUSH} --total-steps 200 --out a", folder).status == 0
    return folder


@pytest.fixture(scope="module")
def run(folder: Path, commands: Any) -> Any:
    """`run("--seeds 0-3")` gives the report."""

    def evaluate(flags: str, ckpt: str = "a.zip") -> dict[str, Any]:
        done = commands(f"eval --ckpt {ckpt} --env FetchPush-v4 --json-out r.json {flags}", folder)
        assert done.status == 0, done.stderr
        return json.loads((folder / "r.json").read_text())

    return evaluate


@pytest.fixture(scope="module")
def base(run: Any) -> dict[int, dict[str, Any]]:
    """Each seed's episode, from an evaluation in order with one environment."""
    report = run(f"--seeds {','.join(map(str, SEEDS))} --n-envs 1")
    return {episode["seed"]: episode for episode in report["episodes"]}


@pytest.mark.parametrize("n_envs", [2, 5])
def test_the_number_of_environments_does_not_matter(run: Any, base: dict[int, Any], n_envs: int) -> None:
    report = run(f"--seeds {','.join(map(str, SEEDS))} --n-envs {n_envs}")
    assert report["episodes"] == list(base.values())


@pytest.mark.parametrize("seeds", [[40, 0, 7], [12], [2, 1, 0, 11]], ids=str)
@pytest.mark.parametrize("n_envs", [1, 2])
def test_neither_order_nor_company_matters(run: Any, base: dict[int, Any], seeds: list[int], n_envs: int) -> None:
    report = run(f"--seeds {','.join(map(str, seeds))} --n-envs {n_envs}")
    assert report["episodes"] == [base[seed] for seed in seeds]


def test_seeds_are_named_in_three_ways(run: Any, base: dict[int, Any]) -> None:
    for flags in ("--seeds 0-2", "--seeds 0,1,2", "--seeds 0 --n-episodes 3", "--seed 0 --n-episodes 3"):
        report = run(flags)
        assert report["seeds"] == [0, 1, 2]
        assert report["episodes"] == [base[seed] for seed in range(3)]
    assert run("--seeds 0-99 --n-episodes 2")["seeds"] == [0, 1]
    assert run("--seed 7")["episodes"] == [base[7]]


def test_sampled_episodes_depend_on_their_seed_alone(run: Any, base: dict[int, Any]) -> None:
    first = {e["seed"]: e for e in run("--seeds 0,1,2,7 --no-deterministic --n-envs 1")["episodes"]}
    second = run("--seeds 7,2,0 --no-deterministic --n-envs 5")["episodes"]
    assert second == [first[seed] for seed in (7, 2, 0)]
    assert first[7] != base[7]


@pytest.mark.parametrize("name", ["random", "zero"])
def test_baselines_too(run: Any, name: str) -> None:
    report = run("--seeds 0-4 --n-envs 1", name)
    assert run("--seeds 4,2,0 --n-envs 3", name)["episodes"] == [report["episodes"][i] for i in (4, 2, 0)]
    assert report["checkpoint_sha256"] is None and report["policy"] == name
    if name == "zero":
        assert all(e["peak_action"] == 0 for e in report["episodes"])


def naive(folder: Path, seed: int) -> dict[str, Any]:
    """The metrics of one episode as slowly and plainly as they can be written."""
    env = make_env("FetchPush-v4")
    policy, _ = load_policy(folder / "a.zip", env, "FetchPush-v4", "cpu")
    env.close()
    import gymnasium

    env = gymnasium.make("FetchPush-v4")
    observation, _ = env.reset(seed=seed)
    goal = observation["desired_goal"]
    distance = math.dist(observation["achieved_goal"], goal)
    solved = distance < 0.05
    total = way = 0.0
    smooth, peak, policy_peak, policy_smooth = 0.0, 0.0, 0.0, 0.0
    last = last_asked = None
    first = 0 if solved else None
    flags = []
    for step in range(50):
        asked, _ = policy.predict(observation, deterministic=True)
        grip = observation["observation"][:3]
        observation, reward, terminated, truncated, info = env.step(asked)
        assert not terminated and truncated == (step == 49)
        applied = np.clip(asked.astype(float), -1, 1)
        total += float(reward)
        way += math.dist(grip, observation["observation"][:3])
        flags.append(bool(info["is_success"]))
        if flags[-1] and first is None:
            first = step + 1
        if last is not None:
            smooth += sum((float(a) - float(b)) ** 2 for a, b in zip(applied, last, strict=True))
            policy_smooth += sum((float(a) - float(b)) ** 2 for a, b in zip(asked, last_asked, strict=True))
        last, last_asked = applied, asked.astype(float)
        peak, policy_peak = max(peak, abs(applied).max()), max(policy_peak, float(abs(asked).max()))
    env.close()
    final = math.dist(observation["achieved_goal"], goal)
    return {
        "seed": seed, "success": flags[-1], "success_any": any(flags), "success_distance": final < 0.05,
        "solved_at_reset": solved, "final_distance": final, "return": total, "length": 50, "time_to_success": first,
        "smoothness": smooth, "peak_action": peak, "policy_smoothness": policy_smooth,
        "policy_peak_action": policy_peak, "path_length": way,
    }  # fmt: skip


def test_metrics_equal_a_naive_recomputation(folder: Path, base: dict[int, Any]) -> None:
    for seed in SEEDS[:4]:
        expected = naive(folder, seed)
        assert base[seed].keys() == expected.keys()
        for key, value in expected.items():
            close = value if value is None else pytest.approx(value, rel=1e-6, abs=1e-9)
            assert base[seed][key] == close, (seed, key)


def test_the_report_is_valid_and_says_where_it_came_from(folder: Path, run: Any, root: Path) -> None:
    report = run("--seeds 0-3")
    checked = load(folder / "r.json", EvalReport)
    assert (root / "analysis/schemas/evaluation.schema.json").read_text() == schema_text("evaluation")
    assert set(report) == set(json.loads(schema_text("evaluation"))["properties"])
    for key in ("commit", "command", "config_hash", "created", "hardware", "versions"):
        assert report[key]
    assert report["training"]["steps"] == 200 and report["training"]["algo"] == "sac"
    assert report["config"]["ckpt"] == "a.zip" and report["status"] == "finished"
    success = [e["success"] for e in report["episodes"]]
    net = [e["success"] for e in report["episodes"] if not e["solved_at_reset"]]
    assert checked.aggregate.success.n == 4 and checked.aggregate.success.successes == sum(success)
    assert checked.aggregate.success_net.n == len(net)
    assert checked.aggregate.final_distance.mean == pytest.approx(
        np.mean([e["final_distance"] for e in report["episodes"]])
    )
    # Nothing of this machine's folders.
    assert str(folder) not in (folder / "r.json").read_text()


def test_the_same_evaluation_twice_is_the_same_report(run: Any) -> None:
    volatile = {"created", "wall_clock_s", "steps_per_second"}
    first, second = ({k: v for k, v in run("--seeds 0-3").items() if k not in volatile} for _ in range(2))
    assert first == second


@pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
@pytest.mark.parametrize(("suffix", "flags"), [("mp4", ""), ("gif", "--no-deterministic")])
def test_video(folder: Path, commands: Any, run: Any, suffix: str, flags: str) -> None:
    import imageio.v3 as imageio

    plain = run(f"--seeds 0-2 {flags}")
    shown = run(f"--seeds 0-2 {flags} --video-out v.{suffix} --video-size 64")
    assert shown["episodes"] == plain["episodes"]
    frames = imageio.imread(folder / f"v.{suffix}", plugin="pyav" if suffix == "mp4" else "pillow")
    # Three cells of 64 pixels in a square of two by two; the reset, 50 steps, and the last frame held.
    assert frames.shape[1:] == (128, 128, 3)
    assert frames.shape[0] >= 51 if suffix == "mp4" else frames.shape[0] > 5
    # The fourth cell is empty, the others move.
    assert frames[:, 80:120, 80:120].min() > 240
    assert np.abs(frames[0, :64, :64].astype(int) - frames[-1, :64, :64]).max() > 20


@pytest.mark.skipif(choose_backend()[0] is None, reason="no rendering backend here")
def test_a_video_by_its_default_name(folder: Path, run: Any) -> None:
    run("--seeds 0 --video --video-size 32 --video-episodes 1")
    assert (folder / "a.mp4").stat().st_size > 500
