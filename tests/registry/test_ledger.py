"""The change log: whoever reads it by id misses nothing, however writers overlap."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from registry.ledger import note_change
from registry.models import Change, Version
from tests.factories import VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_a_change_written_earlier_is_never_seen_later_than_one_after_it() -> None:
    version = VersionFactory.create()
    written, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            note_change(Version.objects.get(pk=version.pk), "slow")
            written.set()
            go_on.wait(timeout=20)
        connection.close()

    def fast() -> None:
        with transaction.atomic():
            note_change(Version.objects.get(pk=version.pk), "fast")
        connection.close()

    first, second = threading.Thread(target=slow), threading.Thread(target=fast)
    first.start()
    assert written.wait(timeout=20)
    second.start()
    second.join(timeout=0.5)
    # The second writer waits: had it committed now, a reader would step over the first one's id.
    assert second.is_alive() and not Change.objects.exists()
    go_on.set()
    first.join(timeout=20)
    second.join(timeout=20)
    assert [change.kind for change in Change.objects.order_by("id")] == ["slow", "fast"]
