"""What `train.py` says of a run's settings before it begins, and the command that it names at the end."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from common.registry import modules_of
from configs.recipes import Resolved

# Places that a setting may come from without being worth a word.
SILENT = ("recipe", "default")


def in_one_line(resolved: Resolved) -> str:
    """The recipe, and what departs from it: names with arguments as they were given, without all of their defaults."""
    given = {key: getattr(resolved.config, key) for key, source in resolved.sources.items() if source not in SILENT}
    changed = [f"{key}={list(value) if isinstance(value, tuple) else value}" for key, value in given.items()]
    base = f"recipe {resolved.recipe}" if resolved.recipe else "defaults"
    return f"  {base}{', but ' if changed else ''}{', '.join(changed)}; --show-settings prints all settings"


def all_settings(resolved: Resolved) -> str:
    """Every setting, by where it came from."""
    groups: dict[str, list[str]] = {}
    for key, source in resolved.sources.items():
        groups.setdefault(source, []).append(f"{key}={resolved.settings[key]}")
    recipe = f" ({resolved.recipe})" if resolved.recipe else ""
    names = {"flag": "flags", "recipe": f"recipe{recipe}", "default": "defaults"}
    return "\n".join(f"  {names.get(source, source)}: {', '.join(items)}" for source, items in groups.items())


def evaluation_command(out: str, env: str, named: Sequence[str] = ()) -> str:
    """What to type next: the evaluation of this checkpoint, as it is typed outside of the container.

    `named`: the wrappers and the encoder, whose modules an evaluation must be told.
    """
    prefix = "bash docker/dev.sh " if os.environ.get("ROBOTICS_RL_DEV") else ""
    name, modules = Path(out).name, "".join(f" --modules {module}" for module in modules_of(named))
    return (
        f"{prefix}python eval.py --ckpt {shlex.quote(out)}.zip --env {shlex.quote(env)}{modules} "
        f"--n-episodes 100 --seeds 0-99 --deterministic --json-out results/{shlex.quote(name)}_eval.json"
    )
