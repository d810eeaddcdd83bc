"""A sweep as JSON, and the training runs that it stands for.

    {"name": "push_noise",
     "command": {"algo": "sac", "env": "FetchPush-v4", "her": true},
     "seeds": "0-2",
     "grid": {"gradient_steps": [4, 8]},
     "variants": {"white": {}, "pink": {"noise_beta": 1.0}},
     "eval": {"seeds": "0-99"}}

`command`, `grid` and `variants` name fields of `TrainConfig`. `grid` is a Cartesian product, `variants` are rows with a
name; with both, each variant meets each point of the grid. Nothing here touches a file or a process.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from common.errors import UserError, closest
from common.files import parse_json
from common.registry import modules_of
from common.seeds import format_seeds, parse_seeds
from configs.train_config import TrainConfig

KEYS = ("name", "about", "command", "seeds", "grid", "variants", "eval")
FIELDS = {field.name: field for field in dataclasses.fields(TrainConfig)}
# What the sweep decides itself; a run that starts anew each time could not be continued.
NOT_HERE = {"seed": 'give the sweep\'s "seeds"', "out": "the sweep names the files", "overwrite": "runs are continued"}
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+=-]{0,99}")
MOST_JOBS = 10_000
SIZES = ("n_envs", "total_steps", "checkpoint_every", "eval_every", "eval_episodes", "batch_size", "learning_starts",
         "gradient_steps", "buffer_size", "n_epochs")  # fmt: skip


@dataclass(frozen=True)
class Job:
    """One training run of a sweep, and the seeds of the held-out episodes that its final checkpoint is evaluated on."""

    variant: str
    changes: dict[str, Any]
    config: TrainConfig
    eval_seeds: tuple[int, ...]

    @property
    def name(self) -> str:
        """Variant and seed, as in the names of its files."""
        return Path(str(self.config.out)).name

    def train_words(self) -> list[str]:
        """The flags of its train.py."""
        return words(self.config)

    def eval_words(self, json_out: Path) -> list[str]:
        """The flags of its eval.py."""
        seeds = format_seeds(list(self.eval_seeds))
        flags = ["--ckpt", f"{self.config.out}.zip", "--env", self.config.env, "--seeds", seeds]
        flags += [f"--modules={module}" for module in modules_of(self.config.wrap)]
        return [*flags, "--n-episodes", str(len(self.eval_seeds)), "--deterministic", "--json-out", str(json_out)]


@dataclass(frozen=True)
class Sweep:
    """All jobs of a sweep, variant by variant, and the JSON that they come from."""

    name: str
    jobs: list[Job]
    source: dict[str, Any]


def words(config: TrainConfig) -> list[str]:
    """The command line that `common.cli.parse` turns back into `config`."""
    found: list[str] = []
    for name, field in FIELDS.items():
        value, flag = getattr(config, name), "--" + name.replace("_", "-")
        if value == field.default:
            continue
        if isinstance(value, bool) and isinstance(field.default, bool):
            found.append(flag)
        elif name in ("wrap", "env_option"):
            found += [f"{flag}={text}" for text in value]
        elif isinstance(value, tuple):
            found += [flag, *map(str, value)]
        else:
            found += [flag, str(value)]
    return found


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f'{what}: a mapping such as {{"gamma": …}} is expected.')
    return value


def _check_keys(settings: dict[str, Any], what: str) -> None:
    for key in settings:
        if key in NOT_HERE:
            raise UserError(f"{what}: {key} cannot be set here: {NOT_HERE[key]}.")
        if key not in FIELDS:
            raise UserError(f"{what}: unknown setting {key!r}.{closest(key, FIELDS)}")


def _config(values: dict[str, Any], what: str) -> TrainConfig:
    """`values` as a checked configuration; strict, so that 4.0 is no number of steps and true is no number at all."""
    try:
        return TypeAdapter(TrainConfig).validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        if first["type"] == "missing":
            raise UserError(f"{what}: {key} is missing.") from None
        known = re.findall(r"'([^']*)'", str(first.get("ctx", {}).get("expected", "")))
        hint = closest(str(first["input"]), known)
        text = first["msg"][0].lower() + first["msg"][1:]
        raise UserError(f"{what}: {key}: {json.dumps(values[key])[:80]}: {text}.{hint}") from None


def label(value: Any) -> str:
    """A value as a piece of a file name: `0.95`, `256x256`, `true`."""
    if isinstance(value, list):
        return "x".join(map(label, value))
    return value if isinstance(value, str) else json.dumps(value)


def _grid_points(grid: dict[str, Any]) -> list[dict[str, Any]]:
    """The Cartesian product, the last key turning fastest; one empty point where there is no grid."""
    _check_keys(grid, "grid")
    for key, values in grid.items():
        if not isinstance(values, list) or not values:
            raise UserError(f"grid: {key}: a list with at least one value is expected.")
    # Counted before it is built: a few lists of hundreds of values would fill the memory.
    if (count := math.prod(len(values) for values in grid.values())) > MOST_JOBS:
        raise UserError(f"grid: {count} points are more than {MOST_JOBS}.")
    return [dict(zip(grid, point, strict=True)) for point in itertools.product(*grid.values())]


def _rows(source: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Name and settings of every row: variants times grid; `base` where neither is given."""
    variants = _mapping(source.get("variants") or {"": {}}, "variants")
    points = _grid_points(_mapping(source.get("grid") or {}, "grid"))
    found: dict[str, dict[str, Any]] = {}
    for variant, settings in variants.items():
        _check_keys(_mapping(settings, f"variants: {variant}"), f"variants: {variant}")
        for point in points:
            if both := sorted(settings.keys() & point.keys()):
                raise UserError(f"variants: {variant}: {both[0]} is in the grid too; keep it in one of them.")
            name = "_".join([variant] * bool(variant) + [f"{key}={label(value)}" for key, value in point.items()])
            name = name or "base"
            if not NAME.fullmatch(name):
                raise UserError(f"variant {name!r}: use letters, digits, '.', '_', '+', '=' and '-', 100 at most.")
            if name in found:
                raise UserError(f"variant {name} is there twice.")
            found[name] = settings | point
    return found


def _eval_seeds(value: Any) -> tuple[int, ...]:
    plan = _mapping(value, "eval")
    for key in plan:
        if key not in ("seeds", "n_episodes"):
            raise UserError(f"eval: unknown key {key!r}.{closest(key, ('seeds', 'n_episodes'))}")
    episodes = plan.get("n_episodes")
    if episodes is not None and (not isinstance(episodes, int) or isinstance(episodes, bool)):
        raise UserError(f"eval: n_episodes: {json.dumps(episodes)[:80]} is no whole number.")
    default = "0" if episodes is not None else "0-99"
    return tuple(parse_seeds(str(plan.get("seeds", default)), episodes))


def plan(source: Any, folder: Path) -> Sweep:
    """The sweep that the JSON value `source` describes, its runs to be kept in `folder`/<name>.

    Every key and type is checked; that a task exists, or that settings fit one another, `train.resolved_for` knows.
    Raises `UserError` with the nearest key.
    """
    source = _mapping(source, "sweep")
    for key in source:
        if key not in KEYS:
            raise UserError(f"sweep: unknown key {key!r}.{closest(key, KEYS)}")
    for key in ("name", "command", "seeds"):
        if key not in source:
            raise UserError(f"sweep: {key} is missing.")
    name = source["name"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise UserError("sweep: name: use letters, digits, '.', '_', '+', '=' and '-', 100 at most.")
    command = _mapping(source["command"], "command")
    _check_keys(command, "command")
    if not isinstance(source["seeds"], str):
        raise UserError('sweep: seeds: a text such as "0-2" or "0,3" is expected.')
    seeds, rows = parse_seeds(source["seeds"]), _rows(source)
    if len(seeds) * len(rows) > MOST_JOBS:
        raise UserError(f"sweep: {len(seeds) * len(rows)} runs are more than {MOST_JOBS}.")
    eval_seeds = _eval_seeds(source.get("eval") or {})
    jobs, known = [], {}
    for row, changes in rows.items():
        what = row if changes else "command"
        plain = _config(command | changes, what)
        if plain in known:
            raise UserError(f"variants {known[plain]} and {row} have the same settings.")
        known[plain] = row
        for seed in seeds:
            out = str(folder / name / f"{row}_seed{seed}")
            jobs.append(Job(row, changes, dataclasses.replace(plain, seed=seed, out=out), eval_seeds))
    return Sweep(name, jobs, source)


def read(path: str | Path) -> Any:
    """The JSON value in a file of ours. Raises `UserError`: missing, or no JSON."""
    try:
        return parse_json(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}.") from None
    except ValueError as error:
        raise UserError(f"{path} is no JSON: {error}.") from None


def small(sweep: Sweep) -> Sweep:
    """The first two jobs with every knob small: shows that the path works."""
    # A size that the sweep names would count as a flag, and `--smoke` leaves those as they are.
    knobs = dict.fromkeys(SIZES) | {"smoke": True}
    jobs = []
    for job in sweep.jobs[:2]:
        # To ppo it is the size of a rollout; to the others the length of a return, which may stay.
        rollout = {"n_steps": None} if job.config.algo == "ppo" else {}
        config = dataclasses.replace(job.config, **knobs, **rollout)
        jobs.append(dataclasses.replace(job, config=config, eval_seeds=job.eval_seeds[:2]))
    return dataclasses.replace(sweep, jobs=jobs)
