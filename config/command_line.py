"""Turns an expected failure of a command into one line on stderr and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Callable

from config.env import ConfigError
from registry.errors import KuraError


def report(command: Callable[[], int | None]) -> int:
    """The exit code: the command's own or 0, 1 when it failed with a known cause, 130 when interrupted."""
    try:
        return command() or 0
    except ConfigError as error:
        return _fail(f"{error.code}: {error}")
    except KuraError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130


def _fail(text: str) -> int:
    sys.stderr.write(" ".join(text.split()) + "\n")
    return 1
