"""The documents follow the change log, and the sweep finds what never reached it."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from catalog.management.commands.indexer import follow
from catalog.models import Cursor, SearchDocument
from catalog.search import SearchQuery, index, search
from catalog.search.refresh import CONSUMER, consume, sweep
from registry.ledger import note_change
from registry.models import Adapter, UpstreamIdentity
from tests.catalog import build
from tests.catalog.outside import outside_environment

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_a_change_makes_its_adapter_findable_and_is_read_once() -> None:
    version = build.version("Charcoal")
    note_change(version, "ingested")
    assert index().health() == {"documents": 0, "behind": 1}
    assert consume() == 1
    assert search(SearchQuery(text="charcoal")).count == 1
    assert consume() == 0
    assert index().health() == {"documents": 1, "behind": 0}


def test_a_renamed_adapter_is_found_by_its_new_name_only() -> None:
    version = build.version("Charcoal")
    note_change(version, "ingested")
    consume()
    Adapter.objects.filter(pk=version.adapter_id).update(name="Graphite")
    note_change(version, "changed")
    consume()
    assert search(SearchQuery(text="charcoal")).count == 0
    assert search(SearchQuery(text="graphite")).count == 1


def test_an_adapter_renamed_upstream_is_found_by_its_former_name_and_account_too() -> None:
    adapter = build.adapter("wash-3", source="huggingface", source_key="mika/wash-3")
    version = build.version(adapter)
    UpstreamIdentity.objects.create(
        adapter=adapter, source="huggingface", identity="65f0", former=["sora/charcoal-3"]
    )
    note_change(version, "version_updated")
    consume()
    for text in ("wash-3", "charcoal-3", '"sora/charcoal-3"', "sora"):
        assert [hit.adapter for hit in search(SearchQuery(text=text)).hits] == [adapter]


def test_the_log_is_read_in_batches_and_the_place_is_kept() -> None:
    for number in range(5):
        note_change(build.version(f"Number {number}"), "ingested")
    assert [consume(2), consume(2), consume(2), consume(2)] == [2, 2, 1, 0]
    assert SearchDocument.objects.count() == 5


def test_the_place_is_not_kept_when_the_documents_were_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    note_change(build.version("Charcoal"), "ingested")

    def fail(adapters: object) -> int:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("catalog.search.refresh.refresh", fail)
    with pytest.raises(RuntimeError):
        consume()
    assert not Cursor.objects.filter(pk=CONSUMER, last_change__gt=0).exists()


def test_the_sweep_finds_adapters_without_a_log_entry() -> None:
    version = build.version("Silent")
    assert sweep() == 1
    assert sweep() == 0
    version.trigger_words = ["newword"]
    version.save()
    assert sweep(batch=1) == 1
    assert search(SearchQuery(text="newword")).count == 1


def test_the_command_catches_up_once(capsys: pytest.CaptureFixture[str]) -> None:
    note_change(build.version("Charcoal"), "ingested")
    build.version("Silent")
    call_command("indexer", "--once")
    assert "2 search documents" in capsys.readouterr().err


@pytest.mark.django_db(transaction=True)
def test_the_loop_reads_what_comes_and_ends_when_asked() -> None:
    note_change(build.version("Before"), "ingested")
    stop = threading.Event()

    def loop() -> None:
        follow(stop, wait=0.05, sweep_every=0.1)
        connection.close()

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        note_change(build.version("Meanwhile"), "ingested")
        until = time.monotonic() + 30
        while SearchDocument.objects.count() < 2 and time.monotonic() < until:
            time.sleep(0.05)
    finally:
        stop.set()
        thread.join(timeout=30)
    assert not thread.is_alive()
    assert search(SearchQuery(text="meanwhile")).count == 1


@pytest.mark.django_db(transaction=True)
def test_the_process_ends_on_sigterm_with_exit_code_0() -> None:
    note_change(build.version("Before"), "ingested")
    process = subprocess.Popen(
        [sys.executable, "manage.py", "indexer"], cwd=settings.BASE_DIR, env=outside_environment()
    )
    try:
        until = time.monotonic() + 60
        while not SearchDocument.objects.exists() and time.monotonic() < until:
            time.sleep(0.1)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()
        process.wait()
    assert SearchDocument.objects.count() == 1
