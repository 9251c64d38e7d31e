"""The database engine: Django's own for PostgreSQL, which starts the embedded cluster when nobody answers."""

from __future__ import annotations

from typing import Any

import psycopg
from django.db.backends.postgresql import base, features

from config.postgres.binaries import LOWEST
from config.postgres.cluster import Cluster, embedded_cluster
from config.postgres.database import create_database_if_missing


class DatabaseFeatures(features.DatabaseFeatures):
    """PostgreSQL 15 is the lowest release that the tests cover."""

    minimum_database_version = (LOWEST,)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to an external server, or (with CLUSTER in the settings) to the embedded one."""

    features_class = DatabaseFeatures

    def embedded(self) -> Cluster | None:
        """The embedded cluster, or None for an external server."""
        settings = self.settings_dict.get("CLUSTER")
        if not settings:
            return None
        return embedded_cluster(settings["folder"], settings["bin"], durable=settings["durable"])

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        cluster = self.embedded()
        if cluster:
            params |= cluster.address
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        cluster = self.embedded()
        if cluster is None:
            return super().get_new_connection(conn_params)
        try:
            return super().get_new_connection(conn_params)
        except psycopg.OperationalError:
            # Nobody answers, or the server was killed. Starting a running server changes nothing.
            cluster.start()
            if conn_params.get("dbname") == self.settings_dict["NAME"]:
                create_database_if_missing(cluster, self.settings_dict["NAME"])
        return super().get_new_connection(conn_params)
