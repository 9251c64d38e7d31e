"""Content-addressed blobs over Django's STORAGES: bytes are kept once, under the SHA256 computed here."""

from __future__ import annotations

import errno
import io
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File as DjangoFile
from django.core.files.storage import FileSystemStorage, Storage, storages

from registry.errors import KuraError
from registry.models import Blob
from registry.weights.digests import BLOCK, Digester, Digests

# Half-written files wait here, on the same file system as the blobs, so that the last step is one rename.
INCOMING = "incoming"
ABANDONED_AFTER = 24 * 3600
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class StorageFull(KuraError):
    """The disk or quota is full; nothing was stored."""

    code = "storage_full"
    permanent = False
    next_step = "Free some space in the blob storage, then run it again."


class StorageUnusable(KuraError):
    """The storage or the source could not be read or written."""

    code = "storage_unusable"
    permanent = False
    next_step = "Check that the folder exists and that Kura's user may read and write it."


class BlobMissing(KuraError):
    """The row of the blob is here, its bytes are not."""

    code = "blob_missing"
    next_step = "Restore the blob storage from its backup, or ingest the file again."


class BlobCorrupt(KuraError):
    """The stored bytes no longer have the SHA256 they are filed under."""

    code = "blob_corrupt"
    next_step = "Restore the blob from a backup, or ingest the file again; do not hand it out."


def blob_name(sha256: str) -> str:
    """Where a blob lies within the storage: `ab/cd/<sha256>`."""
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def blob_storage() -> Storage:
    """The storage named `blobs` in the settings."""
    return storages["blobs"]


def store(source: Path | IO[bytes], *, container: str = "unknown") -> Blob:
    """Copy `source` into the storage once, hashing it on the way, and return its blob.

    Bytes that are already stored are left as they are. On any failure nothing half-written remains.
    Raises StorageFull and StorageUnusable.
    """
    return _blob(_put(source), container)


def adopt(path: Path, digests: Digests, *, container: str = "unknown") -> Blob:
    """Store a file that was hashed while it was written here, without reading it again where that can be.

    On the file system of the storage the bytes get a second name; elsewhere they are copied. `path` may be
    gone afterwards. Raises StorageFull and StorageUnusable.
    """
    backend = blob_storage()
    if not isinstance(backend, FileSystemStorage):
        return store(path, container=container)
    final = Path(backend.path(blob_name(digests.sha256.lower())))
    with _failures_named():
        _make_folders(final.parent)
        found = path.stat()
        if found.st_dev != final.parent.stat().st_dev or found.st_size != digests.size:
            return store(path, container=container)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        _settle(path, final, digests.size)
    return _blob(digests, container)


def _blob(digests: Digests, container: str) -> Blob:
    blob, _ = Blob.objects.get_or_create(
        sha256=digests.sha256.lower(),
        defaults={
            "size": digests.size,
            "blake3": digests.blake3,
            "crc32": digests.crc32,
            "autov1": digests.autov1 or "",
            "autov2": digests.autov2,
            "autov3": digests.autov3 or "",
            "container": container,
        },
    )
    return blob


def holds(blob: Blob | str) -> bool:
    """Whether the blob's bytes are here: looked up in a folder, believed of a storage that must be asked over
    the network.
    """
    backend = blob_storage()
    sha256 = blob if isinstance(blob, str) else blob.sha256
    return not isinstance(backend, FileSystemStorage) or backend.exists(blob_name(sha256))


def store_bytes(data: bytes, *, container: str = "unknown") -> Blob:
    """Store bytes that are in memory, a picture for instance."""
    return store(io.BytesIO(data), container=container)


def open_blob(blob: Blob | str) -> IO[bytes]:
    """The blob's bytes, open for reading from the start. Raises BlobMissing."""
    sha256 = blob if isinstance(blob, str) else blob.sha256
    try:
        file: Any = blob_storage().open(blob_name(sha256), "rb")
    except FileNotFoundError:
        raise BlobMissing(f"The bytes of {sha256} are not in the storage.") from None
    return file  # type: ignore[no-any-return]


def local_path(blob: Blob | str) -> Path:
    """A path on this machine with the blob's bytes, for programs that need one. Raises BlobMissing.

    That is the stored file itself where the storage is a folder, else a copy kept under VAR_DIR/blob_cache.
    """
    sha256 = blob if isinstance(blob, str) else blob.sha256
    storage = blob_storage()
    if isinstance(storage, FileSystemStorage):
        path = Path(storage.path(blob_name(sha256)))
        if not path.is_file():
            raise BlobMissing(f"The bytes of {sha256} are not in the storage.")
        return path
    cached = Path(settings.VAR_DIR) / "blob_cache" / blob_name(sha256)
    if cached.is_file():
        return cached
    with open_blob(sha256) as source, _failures_named(), _arriving(cached.parent) as (temporary, target):
        digests = _copy(source, target)
        _check_digest(sha256, digests)
        temporary.replace(cached)
    return cached


def verify(blob: Blob | str) -> None:
    """Read the blob's bytes again. Raises BlobMissing or BlobCorrupt."""
    sha256 = blob if isinstance(blob, str) else blob.sha256
    with open_blob(sha256) as source, Digester() as digester:
        while block := source.read(BLOCK):
            digester.update(block)
        _check_digest(sha256, digester.finish())


def remove_abandoned(*, older_than: float = ABANDONED_AFTER) -> int:
    """Delete what killed processes left half-written `older_than` seconds ago; the number removed."""
    storage = blob_storage()
    if not isinstance(storage, FileSystemStorage):
        return 0
    removed = 0
    for path in (Path(storage.location) / INCOMING).glob("*.part"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > older_than:
                path.unlink()
                removed += 1
    return removed


def _put(source: Path | IO[bytes]) -> Digests:
    storage = blob_storage()
    with _failures_named():
        if isinstance(source, Path):
            with source.open("rb", buffering=0) as file:
                return _put_stream(storage, file)
        return _put_stream(storage, source)


def _put_stream(storage: Storage, source: IO[bytes]) -> Digests:
    if isinstance(storage, FileSystemStorage):
        with _arriving(Path(storage.location) / INCOMING) as (temporary, target):
            digests = _copy(source, target)
            _settle(temporary, Path(storage.path(blob_name(digests.sha256.lower()))), digests.size)
            return digests
    with tempfile.TemporaryFile() as spool:
        digests = _copy(source, spool)
        name = blob_name(digests.sha256.lower())
        if not storage.exists(name) or storage.size(name) != digests.size:
            spool.seek(0)
            storage.save(name, DjangoFile(spool, name=name))
        return digests


@contextmanager
def _arriving(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A temporary file in `folder` that is gone afterwards unless it was renamed."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=folder, suffix=".part")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as target:
            yield temporary, target
    finally:
        temporary.unlink(missing_ok=True)


def _copy(source: IO[bytes], target: IO[bytes]) -> Digests:
    """Write all of `source` to `target` and onto the disk; every digest comes from the same pass."""
    with Digester() as digester:
        while block := source.read(BLOCK):
            digester.update(block)
            rest = memoryview(block)
            while rest:
                # An unbuffered file may take less than it is given, for instance when the disk is filling up.
                rest = rest[target.write(rest) :]
        target.flush()
        os.fsync(target.fileno())
        return digester.finish()


def _settle(temporary: Path, final: Path, size: int) -> None:
    """Give the complete file its name. A hard link never overwrites, whoever else stores the same now."""
    _make_folders(final.parent)
    temporary.chmod(0o644)
    try:
        final.hardlink_to(temporary)
    except FileExistsError:
        if final.stat().st_size == size:
            return
        # The same name with another length is damage from outside; these bytes are the ones it stands for.
        temporary.replace(final)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS}:
            raise
        # No hard links on this file system. Replacing equal bytes by equal bytes does no harm.
        temporary.replace(final)
    _sync_folder(final.parent)


def _make_folders(folder: Path) -> None:
    """Make `folder` and what is missing above it, each entry synced: a power cut cannot lose the name."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(exist_ok=True)
        _sync_folder(parent.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_digest(sha256: str, digests: Digests) -> None:
    if digests.sha256.lower() != sha256:
        raise BlobCorrupt(f"The bytes filed under {sha256} hash to {digests.sha256.lower()}.")


@contextmanager
def _failures_named() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = f" ({error.filename})" if error.filename else ""
        if error.errno in _FULL:
            raise StorageFull("No space is left for the file.") from None
        raise StorageUnusable(f"{error.strerror or 'The file could not be copied'}{name}.") from None
