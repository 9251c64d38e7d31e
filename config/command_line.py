"""Turns an expected failure of a command into one line on stderr and exit code 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from config.env import ConfigError
from registry.errors import KuraError
from registry.terminal import terminal_text


def report(command: Callable[[], int | None]) -> int:
    """The exit code: the command's own or 0, 1 when it failed with a known cause, 130 when interrupted, 141
    when nobody reads its output any more (`| head`).
    """
    try:
        return command() or 0
    except ConfigError as error:
        return _fail(f"{error.code}: {error}")
    except KuraError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # What is still buffered would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _fail(text: str) -> int:
    sys.stderr.write(terminal_text(" ".join(text.split())) + "\n")
    return 1
