"""A sweep's JSON: what it expands to, and that every mistake in it is one line before anything starts."""

from __future__ import annotations

import dataclasses
import typing
from pathlib import Path
from typing import Any

import pytest

from common.cli import parse
from common.errors import UserError
from configs.recipes import resolve
from configs.sweep import plan, read, small, words
from configs.train_config import TrainConfig

ROOT = Path(__file__).resolve().parents[2]
COMMAND = {"algo": "sac", "env": "FetchReach-v4", "her": True}


def planned(**more: Any) -> Any:
    return plan({"name": "s", "command": COMMAND, "seeds": "0-1"} | more, Path("sweeps"))


def test_no_grid_and_no_variants_is_one_row() -> None:
    jobs = planned().jobs
    assert [(job.variant, job.config.seed, job.config.out) for job in jobs] == [
        ("base", 0, "sweeps/s/base_seed0"), ("base", 1, "sweeps/s/base_seed1"),
    ]  # fmt: skip
    assert jobs[0].eval_seeds == tuple(range(100)) and jobs[0].config.her


def test_variants_meet_every_point_of_the_grid() -> None:
    grid = {"gamma": [0.9, 0.95], "net_arch": [[64, 64], [256]]}
    jobs = planned(seeds="3", grid=grid, variants={"plain": {}, "long": {"total_steps": 900}}).jobs
    assert len(jobs) == 8 and len({job.name for job in jobs}) == 8
    last = jobs[-1]
    assert last.name == "long_gamma=0.95_net_arch=256_seed3"
    assert last.changes == {"total_steps": 900, "gamma": 0.95, "net_arch": [256]}
    assert (last.config.gamma, last.config.net_arch, last.config.total_steps) == (0.95, (256,), 900)


def test_one_factor_at_a_time_and_evaluation() -> None:
    jobs = planned(variants={"a": {}, "b": {"mirror": True}}, eval={"seeds": "10-19", "n_episodes": 5}).jobs
    assert [job.variant for job in jobs] == ["a", "a", "b", "b"]
    line = jobs[0].eval_words(Path("x.json"))
    assert line[line.index("--seeds") + 1] == "10-14" and line[line.index("--n-episodes") + 1] == "5"


def test_the_command_line_says_what_the_configuration_says() -> None:
    """One value for every field, there and back through the parser."""
    samples = {bool: True, int: 7, float: 1e-05, str: "x/y"}
    values: dict[str, Any] = {"algo": "sac", "env": "FetchReach-v4"}
    for name, kind in typing.get_type_hints(TrainConfig).items():
        parts = [part for part in typing.get_args(kind) or (kind,) if part is not type(None)]
        if name not in values:
            literal = parts[-1] if isinstance(parts[-1], str) else None
            several = {"net_arch": (8, 4), "wrap": ("a:b=1,c=-2", "d"), "env_option": ("e=[1,2]", "f=-3")}
            values[name] = several[name] if name in several else literal or samples.get(parts[0])
            values[name] = typing.get_args(parts[0])[-1] if values[name] is None else values[name]
    config = TrainConfig(**values)
    assert all(getattr(config, field.name) != field.default for field in dataclasses.fields(config))
    assert parse(TrainConfig, words(config), prog="train.py") == config
    for change in ({"mirror": False}, {"gradient_steps": -1}, {"ent_coef": "auto"}):
        other = dataclasses.replace(config, **change)
        assert parse(TrainConfig, words(other), prog="train.py") == other


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grids": {}}, "unknown key 'grids'. Did you mean grid?"),
        ({"command": COMMAND | {"gama": 0.9}}, "unknown setting 'gama'. Did you mean gamma?"),
        ({"command": COMMAND | {"seed": 3}}, "seed cannot be set here"),
        ({"command": COMMAND | {"overwrite": True}}, "overwrite cannot be set here"),
        ({"command": {"algo": "sac"}}, "env is missing"),
        ({"command": COMMAND | {"algo": "sacc"}}, "Did you mean sac?"),
        ({"command": COMMAND | {"total_steps": 1000.5}}, "total_steps: 1000.5"),
        ({"command": COMMAND | {"gradient_steps": True}}, "gradient_steps: true"),
        ({"command": []}, "a mapping"),
        ({"name": "../x"}, "name: use letters"),
        ({"name": 3}, "name: use letters"),
        ({"seeds": "5-3"}, "runs backwards"),
        ({"seeds": [0, 1]}, "a text such as"),
        ({"seeds": "0-99999"}, "are more than"),
        ({"grid": {"gamma": 0.9}}, "a list with at least one value"),
        ({"grid": {"gamma": []}}, "a list with at least one value"),
        ({"grid": {"gamma": [0.9, 0.9]}}, "is there twice"),
        ({"grid": {"gamma": ["high"]}}, 'gamma: "high"'),
        ({"grid": {"config": ["a/b"]}}, "use letters"),
        ({"variants": {"a": {"gamma": 0.9}, "b": {"gamma": 0.9}}}, "variants a and b have the same settings"),
        ({"variants": {"a b": {}}}, "use letters"),
        ({"variants": {"a": {"gamma": 0.9}}, "grid": {"gamma": [0.8]}}, "in the grid too"),
        ({"variants": {"a": 3}}, "a mapping"),
        ({"eval": {"n_episode": 3}}, "Did you mean n_episodes?"),
        ({"eval": {"n_episodes": True}}, "no whole number"),
        ({"eval": {"seeds": "0-9", "n_episodes": 20}}, "give as many seeds"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        planned(**change)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_what_is_no_json_is_refused(tmp_path: Path) -> None:
    for name, content, message in [("a", "{", "no JSON"), ("b", '{"x": NaN}', "no JSON"), ("c", None, "cannot read")]:
        if content is not None:
            (tmp_path / name).write_text(content)
        with pytest.raises(UserError, match=message):
            read(tmp_path / name)
    with pytest.raises(UserError, match="a mapping"):
        plan([], Path("sweeps"))


@pytest.mark.parametrize("path", sorted((ROOT / "configs/sweeps").glob("*.json")), ids=lambda path: path.stem)
def test_the_sweeps_that_ship_are_sound(path: Path) -> None:
    from train import resolved_for

    sweep = plan(read(path), Path("sweeps"))
    assert sweep.name == path.stem
    for job in (*sweep.jobs, *small(sweep).jobs):
        resolved_for(job.config)


@pytest.mark.parametrize("algo", ["sac", "td3", "ppo"])
def test_small_is_small_whatever_the_sweep_names(algo: str) -> None:
    """Each size that `--smoke` would choose comes from it, and from nothing that the sweep says."""
    plain = resolve(TrainConfig(algo, "FetchReach-v4", smoke=True))
    shrunk = {key for key, source in plain.sources.items() if source == "smoke"}
    assert {"total_steps", "n_envs"} <= shrunk
    sizes = dict.fromkeys(shrunk, 64_000)
    sweep = small(planned(seeds="0-9", command={"algo": algo, "env": "FetchReach-v4"} | sizes))
    assert [job.name for job in sweep.jobs] == ["base_seed0", "base_seed1"]
    for job in sweep.jobs:
        settings = resolve(job.config).settings
        assert {key: settings[key] for key in shrunk} == {key: plain.settings[key] for key in shrunk}
        assert len(job.eval_seeds) == 2
