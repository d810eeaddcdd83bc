"""argparse where tyro would be too much: the same one line for a mistake, with the closest name, and exit status 2.

`common/cli.py` needs packages and annotations. The doctor runs before any package is there, and commands with two flags
start sooner without them.
"""

from __future__ import annotations

import argparse
import re
from typing import NoReturn

from common.errors import closest, printable


class Parser(argparse.ArgumentParser):
    """An `ArgumentParser`, subcommands included, that refuses in one line."""

    def error(self, message: str) -> NoReturn:
        """Print `message` with the closest flag or choice, and exit with status 2."""
        hint = ""
        if unknown := re.match(r"unrecognized arguments: (\S+)", message):
            flags = [flag for action in self._actions for flag in action.option_strings]
            hint = closest(unknown[1].split("=")[0], flags)
        elif choice := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            hint = closest(choice[1], re.findall(r"[\w.-]+", choice[2]))
        self.exit(2, f"error: {printable(message.rstrip('.'))}.{hint}\n")
