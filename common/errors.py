"""A mistake that the user can mend: shown as one line, exit status 2, never a traceback.

Everything below the command line raises `UserError`; `common/cli.py` is the one place that prints it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """What is wrong and what to do about it, in one line."""


class TrainingFailure(RuntimeError):
    """Training cannot go on (NaN in a loss or an observation): status `failed`, exit status 1."""


def closest(word: str, known: Iterable[str]) -> str:
    """A hint ' Did you mean X?' for a mistyped `word`, or '' where nothing in `known` is near."""
    names = list(known)
    # Names that differ in their case alone are the nearest of all, which difflib's ratio does not see.
    folded = {name.lower(): name for name in names}
    match = difflib.get_close_matches(word.lower(), list(folded), n=1, cutoff=0.5)
    return f" Did you mean {folded[match[0]]}?" if match else ""
