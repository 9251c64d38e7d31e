"""Keeps the token documents up to date: reads the change log, and sweeps up what that missed."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from django.db import transaction
from django.db.models import F, Max, Q
from django.utils import timezone

from catalog.models import Cursor, SearchDocument
from catalog.search.matching import literal
from catalog.search.text import document
from registry.former_names import formerly
from registry.models import Adapter, Change

CONSUMER = "search"
BATCH = 200


def refresh(adapters: Collection[int]) -> int:
    """Write the documents of these adapters anew; ids that no longer exist are passed over."""
    found = (
        Adapter.objects.filter(pk__in=adapters)
        .select_related("creator", "upstream_identity")
        .prefetch_related("versions__files__blob")
    )
    now = timezone.now()
    rows = [
        SearchDocument(adapter=adapter, tokens=literal(document(_fields(adapter))), refreshed=now)
        for adapter in found
    ]
    SearchDocument.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["adapter"],
        update_fields=["tokens", "refreshed"],
        batch_size=BATCH,
    )
    return len(rows)


def consume(batch: int = BATCH) -> int:
    """Read the next changes and refresh the adapters they name; returns how many changes were read.

    The log's writers queue, so a smaller number never appears after a larger one was read.
    """
    with transaction.atomic():
        cursor = _cursor()
        changes = list(
            Change.objects.filter(pk__gt=cursor.last_change)
            .order_by("pk")
            .values_list("pk", "version__adapter_id")[:batch]
        )
        if not changes:
            return 0
        refresh({adapter for _pk, adapter in changes})
        Cursor.objects.filter(pk=CONSUMER).update(last_change=changes[-1][0], updated=timezone.now())
    return len(changes)


def sweep(batch: int = BATCH) -> int:
    """Refresh adapters that have no document or one older than they are; returns how many."""
    done = 0
    for keys in _stale(batch):
        done += refresh(keys)
    return done


def behind() -> int:
    """How many changes the index has not read yet."""
    read = Cursor.objects.filter(pk=CONSUMER).values_list("last_change", flat=True).first() or 0
    return Change.objects.filter(pk__gt=read).count()


def _cursor() -> Cursor:
    Cursor.objects.get_or_create(pk=CONSUMER)
    return Cursor.objects.select_for_update().get(pk=CONSUMER)


def _stale(batch: int) -> Iterator[list[int]]:
    last = 0
    while True:
        keys = list(
            Adapter.objects.filter(pk__gt=last)
            .annotate(newest=Max("versions__updated"))
            .filter(
                Q(search_document__isnull=True)
                | Q(search_document__refreshed__lt=F("updated"))
                | Q(search_document__refreshed__lt=F("newest"))
            )
            .order_by("pk")
            .values_list("pk", flat=True)[:batch]
        )
        if not keys:
            return
        yield keys
        last = keys[-1]


def _fields(adapter: Adapter) -> list[str]:
    """What people search by, most important first: a long description must not push the names out."""
    versions = list(adapter.versions.all())
    fields = [adapter.name, *(version.name for version in versions)]
    fields += [word for version in versions for word in version.trigger_words]
    fields += adapter.tags
    if adapter.creator:
        fields.append(adapter.creator.name)
    fields += formerly(adapter)
    fields += [file.name for version in versions for file in version.files.all()]
    fields.append(adapter.description)
    fields += [version.notes for version in versions]
    return fields
