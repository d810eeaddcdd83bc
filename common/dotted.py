"""Dotted paths into reports: how pages and exercises say which number they mean: `data.seeds.0.success.rate`."""

from __future__ import annotations

from typing import Any


def look_up(value: Any, path: str) -> Any:
    """The element of a JSON value at a dotted path, such as `episodes.0.seed`.

    A number also counts the entries of an object, for keys that have spaces in them; `2:5` takes a part of a list.
    Raises `KeyError`, `IndexError`, `TypeError` or `ValueError` where nothing is there.
    """
    for part in path.split("."):
        if isinstance(value, list) and ":" in part:
            value = value[slice(*(int(end) if end else None for end in part.split(":")))]
            continue
        if isinstance(value, dict) and part.isdigit() and part not in value:
            value = list(value.values())
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value
