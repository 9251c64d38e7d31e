"""The audit log, the reviews and the snapshots cannot be rewritten, whatever the application does."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from registry.models import AuditEvent, Snapshot

pytestmark = [pytest.mark.database, pytest.mark.django_db]


@pytest.fixture
def event() -> AuditEvent:
    return AuditEvent.objects.create(actor="mika", action="approve", subject="version:1")


def test_an_audit_event_cannot_be_changed(event: AuditEvent) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        AuditEvent.objects.filter(pk=event.pk).update(actor="someone else")
    event.refresh_from_db()
    assert event.actor == "mika"


def test_an_audit_event_cannot_be_deleted(event: AuditEvent) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        event.delete()
    assert AuditEvent.objects.filter(actor="mika").exists()


@pytest.mark.parametrize("table", ["registry_auditevent", "registry_review"])
def test_an_append_only_table_cannot_be_emptied(table: str) -> None:
    with (
        pytest.raises(DatabaseError, match="append-only"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"TRUNCATE {table} CASCADE")


def test_a_snapshot_cannot_be_changed() -> None:
    snapshot = Snapshot.objects.create(url="file:a.json", sha256="0" * 64, body=b"{}")
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        Snapshot.objects.filter(pk=snapshot.pk).update(body=b"[]")


@pytest.mark.django_db(transaction=True)
def test_the_migration_goes_back_and_forth() -> None:
    executor = MigrationExecutor(connection)
    # Other apps go back with it, and have to come forth again too.
    leaves = executor.loader.graph.leaf_nodes()
    executor.migrate([("registry", "0001_initial")])
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'registry_%append_only'")
            assert cursor.fetchone() == (0,)
    finally:
        executor = MigrationExecutor(connection)
        executor.migrate(leaves)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'registry_%append_only'")
        # The audit log, the reviews, and the two tables of the history of terms.
        assert cursor.fetchone() == (4,)
