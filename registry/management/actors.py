"""Who runs a command: the actor in the audit log of what it writes."""

from __future__ import annotations

import getpass


def command_actor() -> str:
    """`cli:` and the name of whoever runs the command; containers may have no entry for their user id."""
    try:
        return f"cli:{getpass.getuser()}"
    except (OSError, KeyError):
        return "cli:unknown"
