"""Standard output and error that cannot end a program: closed, full, gone, or of a narrow encoding.

A run of hours must not die because the `head` behind its pipe has seen enough, and a result must not be lost because a
terminal cannot show "±". What cannot be shown is dropped, and a full device is reported once, at the end.
"""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from typing import Any

# What our own texts use beyond ASCII, as a narrow terminal can show it.
PLAIN = {"±": "+/-", "→": "->", "…": "...", "×": "x", "–": "-", "—": "-", "‖": "|", "│": "|", "─": "-"}


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Error handler of the codecs: the nearest text in ASCII, for a file's odd name its escapes."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(
        PLAIN.get(character) or character.encode("unicode_escape").decode()
        for character in error.object[error.start : error.end]
    ), error.end


codecs.register_error("plainly", _plainly)


class Tolerant:
    """A text stream that goes quiet at the first error instead of raising it; `error` keeps that error."""

    def __init__(self, stream: Any):
        self.stream = stream
        self.error: OSError | None = None
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(errors="plainly")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """As a file's; what comes after an error is dropped."""
        if self.error is None:
            try:
                return self.stream.write(text)
            except OSError as error:
                self._go_quiet(error)
        return len(text)

    def flush(self) -> None:
        """As a file's."""
        if self.error is None:
            try:
                self.stream.flush()
            except OSError as error:
                self._go_quiet(error)

    def _go_quiet(self, error: OSError) -> None:
        self.error = error
        # The bytes that are still buffered go nowhere too: the interpreter flushes them once more when it ends.
        with contextlib.suppress(OSError, ValueError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.stream.fileno())
            os.close(null)

    def lost(self) -> str | None:
        """Why something was not written that somebody still waits for: None for a pipe that its reader closed."""
        if self.error is None or self.error.errno == errno.EPIPE:
            return None
        return self.error.strerror or str(self.error)


def _open_missing() -> None:
    """Open what the caller closed (`>&-`): the next file would get its number, and would be printed into."""
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - for the rest of the process


@contextlib.contextmanager
def tolerant_streams() -> Iterator[Tolerant]:
    """Make `sys.stdout` and `sys.stderr` tolerant while inside; gives standard output, flushed at the end."""
    _open_missing()
    before = sys.stdout, sys.stderr
    out, err = sys.stdout, sys.stderr = Tolerant(sys.stdout), Tolerant(sys.stderr)
    try:
        yield out
    finally:
        out.flush()
        err.flush()
        sys.stdout, sys.stderr = before
