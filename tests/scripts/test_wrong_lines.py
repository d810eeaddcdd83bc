"""Command lines that are wrong in the ways in which people get them wrong: status 2, one line that says why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PUSH, REACH = (f"checkpoints/reference/Fetch{task}-v4.zip" for task in ("Push", "Reach"))
# By script: the line behind its name, and what the error names.
WRONG = {
    "ch02_ppo_dense_reach": [
        ("trian", "Did you mean train?"),
        ("eval --seeds 5-3", "runs backwards"),
        ("eval --seed 77", "ppo_seed77.zip does not exist"),
        ("train --seed -1", "--seed -1: must lie between"),
        ("broken --steps 0", "--steps 0: at least one"),
    ],
    "ch03_sac_dense_reach": [
        ("train --total-steps -5", "--total-steps -5"),
        ("throughput --n-envs 0", "whole number above 0"),
        ("throughput --updates nan", "is nan updates"),
        ("throughput --updates inf", "is inf updates"),
        (f"eval --ckpt {PUSH}", "was trained on FetchPush-v4"),
    ],
    "ch04_her_sparse_reach_push": [
        ("compare --env FetchPsuh-v4", "Did you mean FetchPush-v4?"),
        ("compare --n-episodes 0", "--n-episodes 0"),
        ("ablation --nsg-values nan", "whole numbers above 0"),
        ("ablation --strategies futur", "Did you mean future?"),
    ],
    "ch05_pick_and_place": [
        ("curriculum --total-steps 0", "--total-steps 0"),
        ("dense-debug --n-episodes 0", "--n-episodes 0"),
        ("gallery --size -3", "--size -3"),
        (f"stress --ckpt {REACH}", "was trained on FetchReach-v4"),
    ],
    "ch06_action_interface": [
        ("scaling --factors nan", "nan is none"),
        ("filter --alphas ,", "'' is none"),
        ("delay --steps -1", "-1 is none"),
        ("scaling --env FetchReachh-v4", "Did you mean FetchReach-v4.zip?"),
    ],
    "ch07_robustness_curves": [
        ("obs-sweep --grid nan", "at least two points"),
        ("act-sweep --agent scriptd", "Did you mean scripted?"),
        ("baseline --envs FetchPsuh-v4", "Did you mean FetchPush-v4?"),
    ],
    "ch08_fast_loop": [("profile --steps 0", "--steps 0"), ("profile --env Nope-v0", "unknown environment Nope-v0")],
    "ch09_pixels": [
        ("push-compare --arms distill", "Did you mean distil?"),
        ("count --sizes 0", "expected whole numbers from 16 to 512"),
        ("count --batch 0", "--batch 0"),
        ("render --frames 0", "--frames 0"),
        ("render --threads 0", "expected whole numbers from 1 to 64"),
    ],
    "ch09_figures": [(f"looks --ckpt {PUSH}", "sees no pixels"), ("curves --report nothing.json", "nothing.json")],
    "ch10_figures": [(f"film --ckpt {PUSH} --wrap plnt:lag=2", "mean plant?"), ("film --seeds 5-3", "runs backwards")],
    "ch10_reality_gap": [
        ("readiness --perturbed-episodes 0", "--perturbed-episodes 0"),
        ("randomize --widths ,", "anything to randomise"),
        ("randomize --widths nan", "nan: a number above 0 and up to 2 is needed"),
        ("randomize --clean nothing --seeds 4", "nothing4.meta.json does not exist"),
        ("augment --seeds a-b", "'a-b' is no seed"),
        ("sysid --validation 0", "--validation 0"),
        ("sysid --retrain-steps -4", "--retrain-steps -4"),
        ("sysid --env FetchReach-v4", "was trained on FetchPush-v4"),
    ],
    "doctor": [("--jsn-out a", "Did you mean --json-out?")],
    "film_policies": [("--seeds 0", "needs an episode"), ("--size 0", "at least 16 pixels")],
    "labs/ppo_from_scratch": [("--demo --steps 0", "at least one rollout"), ("--demo --seed -1", "no negative seed")],
}  # fmt: skip


@pytest.mark.parametrize("script", WRONG)
def test_a_wrong_line_is_one_line_of_error(script: str, commands: Any, tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/reference").symlink_to(ROOT / "checkpoints/reference")
    (tmp_path / "configs").symlink_to(ROOT / "configs")
    for line, says in WRONG[script]:
        words = [str(ROOT / f"scripts/{script}.py"), *line.split()]
        error = commands(words, tmp_path, setup="signal.alarm(120)").one_line()
        assert error.startswith("error: ") and says in error, (line, error)


def test_a_report_that_cannot_be_written_is_one_line(commands: Any, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder of reports should be")
    words = [str(ROOT / "scripts/ch09_pixels.py"), "count", "--sizes", "16", "--batch", "1"]
    assert "runs" in commands(words, tmp_path, setup="signal.alarm(120)").one_line()
