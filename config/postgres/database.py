"""Creates Kura's database in a freshly made cluster."""

from __future__ import annotations

from contextlib import suppress

import psycopg
from psycopg import errors, sql

from config.postgres.cluster import Cluster


def create_database_if_missing(cluster: Cluster, name: str) -> None:
    """Create the database of that name unless it is there."""
    with psycopg.connect(cluster.conninfo("postgres"), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone()
        if not found:
            # Another process may be faster.
            with suppress(errors.DuplicateDatabase, errors.UniqueViolation):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
