"""Runs with hindsight and without it differ in nothing else."""

from __future__ import annotations

import pytest

from common.errors import UserError
from configs.hindsight import STEPS, Changes, run_config, run_name, sparse_tasks, values_of
from configs.recipes import resolve


@pytest.mark.parametrize("env", sparse_tasks())
def test_nothing_but_hindsight_differs(env: str) -> None:
    with_, without = (resolve(run_config(env, her, 3)).settings for her in (True, False))
    differ = {key for key in with_ | without if with_.get(key) != without.get(key)}
    assert differ == {"her", "her_goal_selection_strategy", "her_n_sampled_goal"}
    assert with_["total_steps"] == STEPS.get(env, with_["total_steps"])


def test_changes_reach_the_run_and_its_name() -> None:
    changes = Changes(500, n_sampled_goal=8)
    config = run_config("FetchPush-v4", True, 1, changes)
    settings = resolve(config).settings
    assert settings["her_n_sampled_goal"] == 8 and settings["total_steps"] == 500
    assert settings["learning_starts"] == resolve(run_config("FetchPush-v4", True, 1)).settings["learning_starts"]
    assert config.out == "checkpoints/sac_her_FetchPush-v4_nsg8_seed1"
    assert run_name("FetchReach-v4", False, 0, Changes()) == "sac_FetchReach-v4_seed0"
    other = Changes(strategy="final", learning_starts=0)
    assert run_name("FetchReach-v4", True, 2, other) == "sac_her_FetchReach-v4_final_start0_seed2"


@pytest.mark.parametrize("her", [True, False])
def test_smoke_is_small(her: bool) -> None:
    settings = resolve(run_config("FetchPush-v4", her, 0, Changes(60_000), smoke=True)).settings
    assert settings["total_steps"] <= 300 and settings["n_envs"] == 2 and settings["mirror"] is True


def test_a_task_without_a_recipe_names_the_nearest() -> None:
    with pytest.raises(UserError, match=r"no recipe with hindsight for FetchPsh-v4; known: .* mean FetchPush-v4"):
        run_config("FetchPsh-v4", True, 0)


def test_relabelling_without_hindsight_is_refused() -> None:
    for changes in (Changes(n_sampled_goal=4), Changes(strategy="final")):
        with pytest.raises(UserError, match="they need --her"):
            run_config("FetchPush-v4", False, 0, changes)
        assert run_config("FetchPush-v4", False, 0, changes.without_relabelling()).her is False


def test_lists_as_they_are_typed() -> None:
    assert values_of("future, final", "2,8") == [("future", 2), ("future", 8), ("final", 2), ("final", 8)]
    with pytest.raises(UserError, match="unknown strategy 'futur'.* future"):
        values_of("futur", "2")
    for ratios in ("2,,4", "a", "0", "-1", ""):
        with pytest.raises(UserError, match="--nsg-values"):
            values_of("future", ratios)
