"""Turns an expected failure of a command into one line on stderr and exit code 1."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

import psycopg
from django.db.utils import OperationalError, ProgrammingError

from config.env import ConfigError
from registry.errors import KuraError
from registry.terminal import one_line


class DatabaseUnavailable(KuraError):
    """The database does not answer, or gave up on what was asked of it."""

    code = "database_unavailable"
    permanent = False
    next_step = "Check that the server of DATABASE_URL runs and takes connections, then try again."


class DatabaseNotMigrated(KuraError):
    """The database lacks tables or columns that this release needs."""

    code = "database_not_migrated"
    next_step = "Run manage.py migrate, then try again."


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
    except OperationalError as error:
        return _fail(str(DatabaseUnavailable(f"{str(error).strip().partition(chr(10))[0]}.")))
    except ProgrammingError as error:
        if not isinstance(error.__cause__, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
            raise
        return _fail(str(DatabaseNotMigrated("A table or column is missing.")))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # What is still buffered would fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


def _fail(text: str) -> int:
    sys.stderr.write(one_line(text) + "\n")
    return 1
