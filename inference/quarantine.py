"""Turns a pickle that lies in quarantine into a safetensors file of the same versions.

The pickle stays where it is, so that anybody can check what was made of it; the new file says whose it is.
"""

from __future__ import annotations

import tempfile
from pathlib import Path, PurePath

from django.db import transaction

from inference.confined import Limits
from inference.conversion import convert_file
from inference.converter_errors import NotConvertible, NotQuarantined
from registry import storage
from registry.jobs import enqueue
from registry.ledger import audit
from registry.models import Blob, File, FileState, Job, Version
from registry.services import KEPT_KINDS, READER
from registry.sources.errors import NotAnAdapter
from registry.sources.listing import ListedVersion, Listing
from registry.sources.save import StoredFile, save_version
from registry.weights import inspect_file

CONVERT_JOB = "inference.convert"


def request_conversion(blob: Blob, actor: str) -> Job:
    """Have a CPU worker convert the blob; asking again after a failure starts anew. Raises NotQuarantined."""
    _quarantined(blob)
    return enqueue(
        CONVERT_JOB,
        blob.sha256,
        payload={"blob": blob.sha256, "actor": actor},
        queue="cpu",
        # A hostile file does the same at every try.
        max_attempts=1,
        again=True,
    )


def convert_blob(blob: Blob, actor: str, *, limits: Limits | None = None) -> list[File]:
    """Store what the quarantined pickle holds as a new file of every version that has it.

    The version goes back to review. Run again it finds the same bytes and changes nothing. Raises
    NotQuarantined, NotAnAdapter, a ConverterError or a StorageError; then nothing was stored.
    """
    held = _quarantined(blob)
    with tempfile.TemporaryDirectory(prefix="kura-convert-") as folder:
        output = Path(folder) / "converted.safetensors"
        done = convert_file(storage.local_path(blob), output, limits=limits)
        read = inspect_file(output)
        if read.kind not in KEPT_KINDS:
            raise NotAnAdapter(f"The pickle holds a file of the kind {read.kind}.")
        if not read.valid:
            raise NotConvertible("What was unpickled is no valid safetensors file.")
        made = storage.store(output, container="safetensors")
    files = []
    for old in held:
        name = PurePath(old.name).stem + ".safetensors"
        stored = StoredFile(made, name, reading=read.as_dict() | {"path": name}, reader=READER)
        with transaction.atomic():
            # The row of the version decides which steps are new; its lock makes two runs follow each other.
            version = Version.objects.select_for_update(of=("self",)).get(pk=old.version_id)
            _save(version, stored, actor)
            file = File.objects.get(version=version, blob=made)
            if not file.reason:
                file.reason = f"Converted from {old.name} ({blob.sha256}) by torch.load(weights_only=True)."[
                    :300
                ]
                file.save(update_fields=["reason"])
                audit(
                    actor,
                    "convert",
                    f"version:{version.pk}",
                    source=blob.sha256,
                    result=made.sha256,
                    steps=done.steps,
                    notes=done.notes,
                )
            files.append(file)
    return files


def _quarantined(blob: Blob) -> list[File]:
    held = list(
        File.objects.filter(blob=blob, state=FileState.QUARANTINED).select_related("version__adapter")
    )
    if not held:
        raise NotQuarantined(f"No version holds {blob.sha256} in quarantine.")
    return held


def _save(version: Version, stored: StoredFile, actor: str) -> None:
    """Add the file by the way every other one comes in. What the listing leaves empty stays as it is."""
    adapter = version.adapter
    listing = Listing(source=adapter.source, source_key=adapter.source_key, name=adapter.name)
    listed = ListedVersion(source_key=version.source_key, name=version.name)
    save_version(listing, listed, [stored], actor=actor)
