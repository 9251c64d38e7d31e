"""The embedded cluster that the settings name, for what starts and stops it by hand."""

from __future__ import annotations

from django.conf import settings

from config.postgres.cluster import Cluster, embedded_cluster


def configured_cluster() -> Cluster | None:
    """The cluster of the default database; None where DATABASE_URL names a server."""
    known = settings.DATABASES["default"].get("CLUSTER")
    return embedded_cluster(known["folder"], known["bin"], durable=known["durable"]) if known else None
