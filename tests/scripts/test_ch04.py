"""The script of chapter 04: names of its files, one comparison from begin to end, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest

from analysis import hindsight_report
from analysis.hindsight_report import FACTORIAL, PARTS, RELABELLING, gather
from analysis.reports import DataReport, EvalReport, load, save
from common.errors import UserError
from common.provenance import metadata
from configs.hindsight import Changes
from configs.sweep import plan, read

SCRIPT = "ch04_her_sparse_reach_push"

ROOT = Path(__file__).resolve().parents[2]


SMALL = Changes(total_steps=200, learning_starts=100)


def test_reach_both_ways_compared_and_nothing_done_twice(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    words = script.words
    few = ["--n-envs", "2", "--gradient-steps", "1", "--eval-every", "100", "--checkpoint-every", "100",
           "--eval-episodes", "2", "--batch-size", "16"]  # fmt: skip
    monkeypatch.setattr(script, "words", lambda config: [w for w in words(config) if w] + few)
    reach = script.chapter.commands["reach-all"]
    assert reach("0", SMALL, n_episodes=3) == 0
    for name in ("sac_FetchReach-v4_start100_seed0", "sac_her_FetchReach-v4_start100_seed0"):
        assert Path(f"checkpoints/{name}.zip").exists() and Path(f"checkpoints/{name}.meta.json").exists()
        assert len(load(f"runs/ch04/{name.lower()}_eval.json", EvalReport).episodes) == 3
    data = load("runs/ch04/fetchreach-v4_comparison.json", DataReport).data
    assert data["hindsight"]["seeds"] == data["no_hindsight"]["seeds"] == [0]
    assert data["difference"]["low"] <= data["difference"]["difference"] <= data["difference"]["high"]
    assert Path("runs/ch04/fetchreach-v4_comparison.png").stat().st_size > 5000
    printed = capfd.readouterr().out
    assert "with minus without: " in printed and printed.count("finished: ") == 2
    monkeypatch.setattr(script.chapter, "call", lambda *words: pytest.fail(f"done again: {words}"))
    assert reach("0", SMALL, n_episodes=3) == 0


def test_report_gathers_what_the_sweeps_hold(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chapter's own sweeps with the numbers of the committed ablation in them."""
    shutil.copytree(ROOT / "results/sweeps", "results/sweeps")
    monkeypatch.setattr(hindsight_report, "PUSH_STEPS", 40_000)
    rows = load("results/sweeps/push_ablation.json", DataReport).data["rows"]
    two = [row for row in rows if row["variant"] == "recipe"]
    for name in ("ch04_reach", "ch04_push", "ch04_reach_relabelling", *(sweep for sweep, *_ in FACTORIAL.values())):
        variants = {job.variant for job in plan(read(ROOT / f"configs/sweeps/{name}.json"), Path()).jobs}
        data = {"rows": [row | {"variant": variant} for variant in variants for row in two]}
        save(f"results/sweeps/{name}.json", DataReport(**metadata({}), name="sweep", data=data))
    bits = [{"bits": 5, "her": her, "seed": 0, "success": two[0]["success"]} for her in (True, False)]
    save("results/ch04_bit_flip.json", DataReport(**metadata({}), name="bit_flip", data={"rows": bits}))
    assert script.chapter.commands["report"]() == 0
    data = load("runs/ch04/report.json", DataReport).data
    assert data["push"]["difference"]["difference"] == 0 and "over 2 seeds" in data["push"]["differences"][1]
    assert [len(data["factorial"][task]["cells"]) for task in ("reach", "push")] == [8, 8]
    assert data["parts"].keys() == PARTS.keys()
    assert data["relabelling"]["push"].keys() == data["relabelling"]["reach"].keys() == set(RELABELLING)
    for name in ("curves", "learn_early", "bit_flip", "relabelling", "factorial"):
        assert Path(f"runs/ch04/{name}.png").stat().st_size > 5000
    # Where the runs with hindsight are not finished, those of the recipe stand in for them, at the same step.
    shutil.copytree(ROOT / "results/recipes", "results/recipes")
    rows = [row | {"variant": "no_hindsight"} for row in two] + [two[0] | {"variant": "hindsight", "status": "running"}]
    save("results/sweeps/ch04_push.json", DataReport(**metadata({}), name="sweep", data={"rows": rows}))
    found = gather(Path("results"))
    assert found["push"]["hindsight"]["seeds"] == [0, 1] and found["push"]["hindsight"]["runs"][0]["steps"] == 40_000
    assert found["push"]["hindsight"]["success"]["pooled"]["n"] == 100
    assert found["push_final"]["hindsight"]["success"]["pooled"]["n"] == 1000
    # So they do for the recipe's cell of the factorial, where its sweep has not run it.
    Path("results/sweeps/ch04_push_parts.json").unlink()
    cells = gather(Path("results"))["factorial"]["push"]["cells"]
    assert {name: [rate["n"] for rate in cell["rates"]] for name, cell in cells.items()} == {"many_fixed_map": [50] * 3}
    Path("results/sweeps/ch04_push.json").unlink()
    with pytest.raises(UserError, match=r"ch04_push\.json"):
        gather(Path("results"))


@pytest.mark.parametrize(
    ("command", "arguments", "says"),
    [
        ("train", {"env": "FetchPsh-v4"}, "mean FetchPush-v4"),
        ("train", {"changes": Changes(n_sampled_goal=3)}, "they need --her"),
        ("train", {"her": True, "changes": Changes(strategy="lst")}, "unknown strategy"),
        ("ablation", {"nsg_values": "2,,x"}, "--nsg-values 2,,x"),
        ("compare", {"seeds": "5-3"}, "runs backwards"),
        ("eval", {"ckpt": "nothing.zip"}, "nothing.meta.json"),
    ],
)
def test_mistakes_are_told(script: ModuleType, command: str, arguments: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        script.chapter.commands[command](**arguments)
