"""What the files of an earlier run with the same name mean for this one: nothing, a run to continue, or a refusal."""

from __future__ import annotations

from typing import Any

from analysis.reports import TrainMeta, load
from common import provenance
from common.errors import UserError
from common.files import exists
from common.renamed import today
from persistence.metric_log import refuse_if_locked
from persistence.new_run import refuse_neighbours
from persistence.run_files import RunFiles, RunState, load_state


def earlier_run(files: RunFiles, settings: dict[str, Any], overwrite: bool) -> RunState | None:
    """The state of the run in `files` that a run with `settings` continues; None where it starts from nothing.

    Raises `UserError` where another process is training it, and where going on needs the user's word: a finished run,
    other settings, or a file that is none of ours.
    """
    refuse_if_locked(files.metrics)
    if overwrite:
        return None
    if not exists(files.checkpoint):
        refuse_neighbours(files, provenance.config_hash(settings))
        return None
    if not files.meta.exists():
        raise UserError(f"{files.checkpoint} exists and is no run of ours; use another --out or add --overwrite.")
    meta = load(files.meta, TrainMeta)
    old = today(meta.config)
    changed = [
        f"{k}: {old.get(k)} -> {settings.get(k)}" for k in sorted(old | settings) if old.get(k) != settings.get(k)
    ]
    unfinished = meta.status != "finished"
    if changed and not (unfinished and begins(old, settings, meta.steps)):
        what = ", ".join(changed)
        raise UserError(f"{files.checkpoint} has other settings ({what}); use another --out or add --overwrite.")
    if not unfinished:
        raise UserError(f"{files.checkpoint} is a finished run of {meta.steps} steps; add --overwrite to redo it.")
    state = load_state(files)
    if state.config_hash != provenance.config_hash(old):
        raise UserError(f"{files.checkpoint} is not the run that {files.meta.name} describes; add --overwrite.")
    state.config_hash = provenance.config_hash(settings)
    return state


def begins(old: dict[str, Any], new: dict[str, Any], steps: int) -> bool:
    """Whether a run with the settings `old`, after `steps`, is what one with `new` would be by then.

    It is where `new` asks for more steps and for nothing else, as long as nothing followed a schedule until the end,
    and the replay, which never holds more than the run's steps, has dropped nothing for that.
    """
    longer = new["total_steps"] > old["total_steps"] and old | {"total_steps": new["total_steps"]} == new
    return longer and new.get("learning_rate_end_factor", 1.0) == 1.0 and steps <= old["total_steps"]
