"""What a process outside the test needs to see the test's own rows and files."""

from __future__ import annotations

import os
from urllib.parse import urlencode

from django.conf import settings
from django.db import connection


def outside_environment() -> dict[str, str]:
    """Environment variables that lead a program to the database of this test, by its socket or its port."""
    database = connection.get_connection_params()
    address = {name: str(database[name]) for name in ("host", "port", "user") if database.get(name)}
    user = address.pop("user", "")
    return os.environ | {
        "DATABASE_URL": f"postgresql://{user}@/{database['dbname']}?{urlencode(address)}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "VAR_DIR": str(settings.VAR_DIR),
    }
