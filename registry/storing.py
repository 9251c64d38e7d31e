"""Stores one weights file if it is one: what it is, whether it belongs in quarantine, and its reading."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from django.conf import settings

from registry import scans, storage
from registry.models import Blob, Inspection
from registry.sources.errors import NotAnAdapter
from registry.sources.save import StoredFile
from registry.weights.container import open_container
from registry.weights.digests import Digests
from registry.weights.errors import Unreadable, WeightsError
from registry.weights.inspection import inspect_file
from registry.weights.names import check_name

# Edition of the readings kept as Inspection rows; a new one makes new rows beside the old.
READER = "1"
KEPT_KINDS = ("adapter", "control_adapter")
QUARANTINE = {
    "pickle": "A Python pickle; loading it would run whatever it says.",
    "zip": "A zip archive, as torch checkpoints are, with a pickle inside.",
}


def store_file(path: Path, name: str, edition: str) -> StoredFile:
    """Store one weights file if it is one; a refusal is remembered with the `edition` of the reader.

    Raises WeightsError, NotAnAdapter, StorageError.
    """
    check_name(path.name)
    known = scans.recall(path)
    if known and known.container in (*QUARANTINE, "safetensors"):
        return stored_file(known, name, known.container)
    before, began = scans.status_of(path), time.time_ns()
    try:
        container = container_of(path, name)
    except (WeightsError, NotAnAdapter) as error:
        # What could not be read says nothing about the bytes.
        if not isinstance(error, Unreadable):
            scans.refuse(path, before, began, error, edition)
        raise
    return stored_file(scans.store(path, container=container), name, container)


def container_of(path: Path, name: str) -> str:
    """The container of a file that is kept. Raises WeightsError, NotAnAdapter."""
    container = open_container(path, header_limit=settings.HEADER_LIMIT)
    if container.kind in QUARANTINE:
        return container.kind
    if container.error:
        raise container.error
    kind = inspect_file(path, hashes=False, header_limit=settings.HEADER_LIMIT).kind
    if kind not in KEPT_KINDS:
        raise NotAnAdapter(f"{name} is of the kind {kind}.")
    return container.kind


def stored_file(blob: Blob, name: str, container: str) -> StoredFile:
    """What stands for the stored bytes under `name`, with their reading; pickles are for the quarantine."""
    quarantine = QUARANTINE.get(container, "")
    return StoredFile(blob, name, reading=_reading(blob, name), reader=READER, quarantine=quarantine)


def _reading(blob: Blob, name: str) -> dict[str, Any]:
    """The stored bytes' own reading: read once for each blob and edition of the reader."""
    row = Inspection.objects.filter(blob=blob, reader=READER).first()
    if row:
        data: dict[str, Any] = row.data
        return data
    digests = Digests(
        size=blob.size,
        sha256=blob.sha256.upper(),
        blake3=blob.blake3,
        crc32=blob.crc32,
        autov1=blob.autov1 or None,
        autov2=blob.autov2,
        autov3=blob.autov3 or None,
    )
    read = inspect_file(storage.local_path(blob), digests=digests, header_limit=settings.HEADER_LIMIT)
    return read.as_dict() | {"path": name}
