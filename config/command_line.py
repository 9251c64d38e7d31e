"""Turns an expected failure of a command into one line on stderr and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from config.env import ConfigError
from registry.errors import KuraError


def run(execute: Callable[[list[str]], None], argv: Sequence[str]) -> int:
    """Run `execute(argv)`; return the exit code (0 done, 1 failed with a known cause, 130 interrupted)."""
    try:
        execute(list(argv))
    except ConfigError as error:
        return _fail(f"{error.code}: {error}")
    except KuraError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130
    return 0


def _fail(text: str) -> int:
    sys.stderr.write(" ".join(text.split()) + "\n")
    return 1
