"""A user error: shown as one line, exit status 2, never a traceback.

Everything below the command line raises `UserError`; `common/cli.py` is the one place that prints it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

# Below this share of equal letters two names have nothing to do with one another.
NEAR = 0.65
LONGEST_LINE = 800


class UserError(ValueError):
    """What is wrong and what to do about it, in one line."""


class ToldAlready(UserError):
    """A mistake that another command of this project, called from here, has printed: only its status is left."""


class TrainingFailure(RuntimeError):
    """Training cannot go on (NaN in a loss or an observation): status `failed`, exit status 1."""


def _core(name: str) -> str:
    """What sets a name apart from others of its kind: without the dashes in front, a file's suffix or a version."""
    return re.sub(r"(\.[a-z]+|-v\d+)$", "", name.lower().lstrip("-")) or name.lower()


def closest(word: str, known: Iterable[str]) -> str:
    """A hint ' Did you mean X?' for a mistyped `word`, or '' where nothing in `known` is near."""
    cores: dict[str, list[str]] = {}
    for name in known:
        cores.setdefault(_core(name), []).append(name)
    # Dashes and suffixes say nothing: with them --bogus would be near --out, and nope.zip near any other zip.
    near = difflib.get_close_matches(_core(word), list(cores), n=1, cutoff=NEAR)
    if not near:
        return ""
    # Of several versions of one task the nearest as a whole; difflib's ratio does not see that case alone differs.
    whole = {name.lower(): name for name in cores[near[0]]}
    best = difflib.get_close_matches(word.lower(), list(whole), n=1, cutoff=0.0)[0]
    return f" Did you mean {printable(whole[best])}?"


def printable(text: str) -> str:
    """`text` as one line that a terminal shows as it is: control characters escaped, the middle of a long one left out.

    For whatever came out of a file or from the command line: an escape code in it could recolour, move or hide text.
    """
    line = "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
    half = LONGEST_LINE // 2
    return line if len(line) <= LONGEST_LINE else f"{line[:half]} … {line[-half:]}"
