"""Chapter 03's script: what it examines are runs that exist, what it is told wrongly is answered in one line.

That every command runs is tested with the page, which names them (tests/commands/test_pages.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import get_args

import pytest

from common.cli import subcommands
from configs.recipes import resolve
from configs.train_config import TrainConfig


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["throughput", "--n-envs", "4", "--updates", "0.3"], "4 with --updates 0.3 is 1.2 updates a round"),
        (["compare", "--seeds", "2-0"], "runs backwards"),
        (["diagnose", "--seeds", "one"], "is no seed"),
        (["eval", "--seed", "7"], "sac_seed7.zip"),
        (["diagnoze"], "diagnose"),
        (["train", "--total-step", "10"], "--total-steps"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_status_2(
    words: list[str], says: str, load_script: Callable[[str], ModuleType], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    commands = load_script("ch03_sac_dense_reach").chapter.commands
    assert subcommands(commands, "ch03_sac_dense_reach.py", argv=words) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert says in line and not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_every_sick_run_differs_from_the_recipe_in_one_thing(load_script: Callable[[str], ModuleType]) -> None:
    script = load_script("break_sac")
    assert set(script.SICK) < set(script.HOW) and set(get_args(script.How)) == set(script.HOW)
    healthy = resolve(TrainConfig("sac", script.ENV)).settings
    for how, changes in script.HOW.items():
        settings = resolve(
            TrainConfig("sac", script.ENV, **{k: v for k, v in changes.items() if k != "prepare"})
        ).settings
        differ = [key for key, value in settings.items() if healthy[key] != value]
        assert differ == [key for key in changes if key != "prepare"], how
    assert healthy["ent_coef"] == 0.005, "the run that begins at 0.005 begins where the recipe is"
