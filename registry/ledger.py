"""Writes the two logs of the registry: who did what (audit events), and what changed, in order (changes)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import connection

from registry.models import AuditEvent, Change, Version

# Any fixed number will do: it names the lock that puts the change log in order.
_CHANGE_LOG_LOCK = 0x6B757261


def audit(actor: str, action: str, subject: str, **data: Any) -> AuditEvent:
    """Record that `actor` (a user name, or `system`) did `action` to `subject` (`kind:id`)."""
    return AuditEvent.objects.create(actor=actor[:150], action=action[:60], subject=subject[:200], data=data)


def note_change(version: Version, kind: str) -> Change:
    """Append to the change log; call it last within a transaction, when its rows are locked already.

    Kinds: version_added, version_updated, and after a review version_approved, version_rejected,
    version_withdrawn, version_waiting, version_quarantined.

    Readers follow the log by id. Ids are given out before commits, so two writers could commit 8 before
    7 and a reader would never see 7. Writers therefore queue here until the one before has committed.
    """
    _queue()
    return Change.objects.create(version=version, kind=kind)


def note_changes(versions: Sequence[Version], kind: str) -> None:
    """`note_change` for many versions at once, in their order."""
    _queue()
    Change.objects.bulk_create([Change(version=version, kind=kind) for version in versions])


def _queue() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_CHANGE_LOG_LOCK])
