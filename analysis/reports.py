"""Report models: what every JSON file of this project contains, and the one way to read it back.

`python -m analysis.reports` writes the JSON Schemas into `analysis/schemas/`; a test keeps them equal to the models.
No NaN or infinity can be put into a model or a file. A file of a newer schema version is refused by name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from common.errors import UserError
from common.files import LARGEST_REPORT, check_report_place, parse_json, write_atomically

# 2: evaluations name their task and how it differs from that of training.
SCHEMA_VERSION = 2
SCHEMAS = Path(__file__).parent / "schemas"


class Record(BaseModel):
    """Base of all models: unknown keys are errors, and so is every number that JSON cannot hold."""

    # "constants" keeps a NaN inside a free dictionary (`config`, `data`) a NaN, which `dump` then refuses; the default
    # would turn it into null without a word.
    model_config = ConfigDict(
        extra="forbid",
        allow_inf_nan=False,
        ser_json_inf_nan="constants",
        populate_by_name=True,
        protected_namespaces=(),
    )


class Rate(Record):
    """A success rate, never without its n and its Wilson 95% interval."""

    n: int = Field(ge=0)
    successes: int = Field(ge=0)
    rate: float | None = Field(ge=0, le=1, description="successes / n; null where n is 0")
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class Summary(Record):
    """Mean ± sample standard deviation of a quantity over n episodes."""

    n: int = Field(ge=0)
    mean: float | None
    std: float | None = Field(description="null below two values")


class EpisodeRecord(Record):
    """One episode. Action metrics are of the action that reached the simulator; `policy_*` of the policy's own."""

    seed: int = Field(ge=0)
    success: bool = Field(description="the environment's is_success at the last step")
    success_any: bool = Field(description="is_success at any step")
    success_distance: bool = Field(description="final distance below the task's threshold, by our own measure")
    solved_at_reset: bool = Field(description="the episode began inside the threshold")
    final_distance: float = Field(ge=0, description="m")
    return_: float = Field(alias="return", description="undiscounted sum of the task's own rewards")
    length: int = Field(ge=1, description="steps")
    time_to_success: int | None = Field(ge=0, description="steps until first solved, 0 at reset, null if never")
    smoothness: float = Field(ge=0, description="sum over t of ||a_t - a_(t-1)||^2")
    peak_action: float = Field(ge=0, description="max |a|")
    policy_smoothness: float = Field(ge=0)
    policy_peak_action: float = Field(ge=0)
    path_length: float = Field(ge=0, description="way of the gripper, m")


class Aggregate(Record):
    """The same metrics over all episodes."""

    success: Rate
    success_net: Rate = Field(description="success among the episodes that did not begin solved")
    success_any: Rate
    success_distance: Rate
    solved_at_reset: Rate
    time_to_success: Summary = Field(description="over the episodes that were ever solved")
    final_distance: Summary
    return_: Summary = Field(alias="return")
    length: Summary
    smoothness: Summary
    peak_action: Summary
    policy_smoothness: Summary
    policy_peak_action: Summary
    path_length: Summary


class Hardware(Record):
    """The machine, as far as it explains a speed; no host name."""

    cpu: str
    cores: int
    memory_gib: float | None
    gpu: str | None
    platform: str


class Metadata(Record):
    """What every meta.json and report says about where it came from."""

    schema_version: int = SCHEMA_VERSION
    kind: str
    status: Literal["running", "finished", "interrupted", "failed"]
    created: str = Field(description="UTC, ISO 8601")
    commit: str | None
    dirty: bool | None
    command: str
    config: dict[str, Any] = Field(description="the resolved configuration")
    config_hash: str
    env_id: str | None
    seeds: list[int]
    device: str
    hardware: Hardware
    n_envs: int | None
    versions: dict[str, str | None]
    wall_clock_s: float = Field(ge=0)
    steps_per_second: float | None = None
    updates_per_second: float | None = None
    evaluation_protocol: str | None = None


class Evaluation(Record):
    """One evaluation during training, on seeds that no training episode and no final evaluation uses."""

    steps: int
    updates: int
    wall_clock_s: float = Field(description="training time until then, evaluations not counted")
    success: Rate
    success_net: Rate


class TrainMeta(Metadata):
    """`<out>.meta.json`: what a checkpoint is, how it was made, and where its settings came from."""

    kind: Literal["train"] = "train"
    sources: dict[str, str] = Field(description="configuration key: flag, recipe or default")
    recipe: str | None = Field(description="name of the recipe that was used")
    total_steps: int
    steps: int = Field(description="environment steps in the checkpoint")
    updates: int = Field(description="gradient updates in the checkpoint")
    resumed: int = Field(default=0, description="how often the run was continued")
    kernel: str | None = Field(default=None, description="what computed the updates, where our learner did")
    message: str | None = Field(default=None, description="why the run ended, where it did not finish")
    weights_sha256: str | None = Field(default=None, description="of all policy weights: equal runs agree")
    evaluations: list[Evaluation] = []


class TaskRecord(Record):
    """What was acted in: `envs/task.py`."""

    env_id: str
    wrappers: list[str] = Field(description="name:key=value,…, the first one innermost")
    options: list[str] = Field(description="of the environment, key=value")


class Perturbation(Record):
    """How the evaluated task differs from the one that the policy was trained in."""

    added_wrappers: list[str] = Field(description="around those of training")
    left_out_wrappers: list[str] = Field(description="of training")
    trained_options: list[str] = Field(description="the environment's options in training")
    trained_on: str | None = Field(description="id of training's environment, where it is another one")


class EvalReport(Metadata):
    """A policy over seeded episodes."""

    kind: Literal["evaluation"] = "evaluation"
    policy: str = Field(description="checkpoint name, or 'random', 'zero', …")
    checkpoint_sha256: str | None = None
    training: dict[str, Any] | None = Field(default=None, description="steps, updates and seed of the checkpoint")
    deterministic: bool
    task: TaskRecord | None = Field(default=None, description="null in reports before version 2: the plain env_id")
    perturbation: Perturbation | None = Field(default=None, description="null: the task that it was trained in")
    episodes: list[EpisodeRecord]
    aggregate: Aggregate


class VersionsReport(Metadata):
    """A snapshot of this machine's stack."""

    kind: Literal["versions"] = "versions"
    packages: dict[str, str]


class ReproReport(Metadata):
    """Two trainings with the same seed, compared."""

    kind: Literal["reproducibility"] = "reproducibility"
    weights_equal: bool
    success: list[Rate]
    mean_final_distance: list[float]
    tolerance_success: float
    tolerance_distance: float
    within_tolerance: bool
    weights_sha256: list[str | None] = Field(default=[], description="of the two final policies")
    killed_at_steps: int | None = Field(default=None, description="the second run was killed here and continued")


class DataReport(Metadata):
    """Any other measurement of a chapter: `data` holds what its script documents."""

    kind: Literal["data"] = "data"
    name: str
    data: dict[str, Any]


MODELS: dict[str, type[Metadata]] = {
    "train": TrainMeta,
    "evaluation": EvalReport,
    "versions": VersionsReport,
    "reproducibility": ReproReport,
    "data": DataReport,
}
Model = TypeVar("Model", bound=Metadata)


def dump(report: Metadata) -> str:
    """JSON text of a report, validated once more (a model may have been changed after it was made)."""
    checked = type(report).model_validate(report.model_dump(by_alias=True))
    return json.dumps(checked.model_dump(mode="json", by_alias=True), indent=2, allow_nan=False) + "\n"


def _lost(old: Any, new: Any, where: str) -> str | None:
    """The first key in the dictionaries of `old` that `new` does not have; how long lists are says nothing."""
    for key, value in old.items() if isinstance(old, dict) and isinstance(new, dict) else ():
        if key not in new:
            return f"{where}.{key}"
        if (found := _lost(value, new[key], f"{where}.{key}")) is not None:
            return found
    return None


def _refuse_less(path: str | Path, report: DataReport) -> None:
    """Raise `UserError` where the report at `path` has seeds or parts that `report` would replace and does not have."""
    if not Path(path).exists():
        return
    earlier = load(path, DataReport)
    seeds = sorted(set(earlier.seeds) - set(report.seeds))
    if (part := f"seed {seeds[0]}" if seeds else _lost(earlier.data, report.data, "data")) is not None:
        raise UserError(f"{path} also has {part}; publish all of it in one command, or move it away first.")


def save(path: str | Path, report: Metadata, overwrite: bool = False, whole: bool = False) -> None:
    """Write a report in one step. Raises `UserError` where that would replace a file of another kind.

    `overwrite` replaces it all the same; `whole` refuses, too, to replace a report that holds more than this one. What
    a run may replace beside its checkpoint, the run itself decides.
    """
    if whole:
        _refuse_less(path, report)
    if not overwrite and not isinstance(report, TrainMeta):
        check_report_place(path, "report", (report.kind,))
    write_atomically(path, dump(report))


def _read(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a schema version that this checkout knows; otherwise `UserError`."""
    try:
        if path.stat().st_size > LARGEST_REPORT:
            raise UserError(f"{path} is larger than any report of this project.")
        value = parse_json(path.read_bytes())
    except FileNotFoundError:
        raise UserError(f"{path} does not exist.") from None
    except (OSError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is no JSON file of this project.") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} is no report: a JSON object is expected.")
    version = value.get("schema_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise UserError(f"{path} has no valid schema_version.")
    if version > SCHEMA_VERSION:
        raise UserError(
            f"{path} has schema version {version}; this checkout reads up to {SCHEMA_VERSION}. Update the project."
        )
    return value


def _validate(path: Path, value: dict[str, Any], model: type[Model]) -> Model:
    expected = model.model_fields["kind"].default
    if value.get("kind") != expected:
        raise UserError(f"{path} is of kind {value.get('kind')!r}; expected {expected!r}.")
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{path}: {where}: {first['msg']}.") from None


def load(path: str | Path, model: type[Model]) -> Model:
    """Read a report of the kind `model`. Raises `UserError`: missing, no JSON, newer version, or another kind."""
    return _validate(Path(path), _read(Path(path)), model)


def schema_text(kind: str) -> str:
    """The JSON Schema of one kind of report, as it is committed."""
    return json.dumps(MODELS[kind].model_json_schema(by_alias=True), indent=2) + "\n"


if __name__ == "__main__":
    for name in MODELS:
        write_atomically(SCHEMAS / f"{name}.schema.json", schema_text(name))
        print(SCHEMAS / f"{name}.schema.json")
