"""Fetches what an upstream offers: through the door, verified, stored, and added to its version."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from registry import half_fetched, storage
from registry.absence import note_refused_file
from registry.errors import KuraError
from registry.ledger import note_change
from registry.models import Job, OfferedFile, OfferState, Version
from registry.offers import announced
from registry.sources.announced import Judgment, judge
from registry.sources.errors import PictureUnreadable
from registry.sources.http import ANY, credentials_for, download, get
from registry.sources.pictures import LARGEST, check_picture
from registry.sources.remote_header import web_page
from registry.sources.save import Saved, StoredFile, StoredSample, save_files
from registry.sources.transport.partial import folder_error
from registry.sources.upstream_errors import (
    DownloadRunning,
    DownloadStopped,
    HtmlInsteadOfFile,
    NotSafetensors,
    UpstreamError,
)
from registry.storing import container_of, stored_file
from registry.transfers import Meter
from registry.weights.digests import Digests, digest_file
from registry.weights.errors import Unreadable, WeightsError
from registry.weights.names import check_name

Progress = Callable[[int, int | None], None]
Stopping = Callable[[], bool]


def fetch_offer(
    offer: OfferedFile,
    *,
    actor: str = "system",
    job: Job | None = None,
    progress: Progress | None = None,
    should_stop: Stopping | None = None,
) -> Saved:
    """Fetch the offered file, store it if it is what was announced, and add it to its version.

    Cut off, by DownloadStopped or by the end of the process, it goes on from the same byte the next time;
    a file that is refused leaves no bytes behind. Call it outside of a transaction, so that its progress is
    seen. The offer says what became of it. Raises UpstreamError, NotAnAdapter, WeightsError, StorageError.
    """
    with _held(offer) as target:
        try:
            return _fetch(offer, target, actor, job, progress, should_stop)
        except (DownloadStopped, DownloadRunning):
            raise
        except KuraError as error:
            note_failure(offer, error)
            raise


def _fetch(
    offer: OfferedFile,
    target: Path,
    actor: str,
    job: Job | None,
    progress: Progress | None,
    should_stop: Stopping | None,
) -> Saved:
    try:
        check_name(offer.name)
        with Meter(offer.name, offer=offer, job=job, total=offer.size or offer.about) as meter:

            def told(done: int, total: int | None = None) -> None:
                meter(done, total)
                if progress is not None:
                    progress(done, total)

            digests = _download(offer, target, told, should_stop)
            stored, judgment = _verify(offer, target, digests)
        saved = _keep(offer, stored, judgment, digests, actor)
    except (storage.StorageFull, storage.StorageUnusable):
        # All of it came, and the next try takes it from here; so it does after a failure of the database.
        raise
    except KuraError:
        # What is partial has another name and stays.
        target.unlink(missing_ok=True)
        raise
    target.unlink(missing_ok=True)
    return saved


def note_failure(offer: OfferedFile, error: KuraError) -> None:
    """Write down why the offer could not be had, and what that says about its version's state upstream."""
    offer.state, offer.code, offer.reason = OfferState.FAILED, error.code, error.message[:500]
    offer.save(update_fields=["state", "code", "reason", "updated"])
    if isinstance(error, UpstreamError):
        note_refused_file(Version.objects.get(pk=offer.version_id), error)


def fetch_picture(offer: OfferedFile, *, actor: str = "system") -> Saved:
    """Fetch one of the author's pictures and show it with its version. Raises as fetch_offer does."""
    # Two workers may be at it at once.
    path = half_fetched.folder() / f"{offer.pk}-{uuid4().hex}.picture"
    try:
        answer = get(offer.url, accept=ANY, cap=LARGEST, credentials=credentials_for(offer.url))
        try:
            path.write_bytes(answer.body)
        except OSError as error:
            raise folder_error(error, path) from None
        blob = storage.store(path, container=check_picture(path))
        parameters = offer.triage.get("parameters") or {}
        with transaction.atomic():
            saved = save_files(offer.version, [], [StoredSample(blob, parameters)], actor=actor)
            _stored(offer, blob, len(answer.body))
        return saved
    except (UpstreamError, PictureUnreadable) as error:
        offer.state, offer.code, offer.reason = OfferState.FAILED, error.code, error.message[:500]
        offer.save(update_fields=["state", "code", "reason", "updated"])
        raise
    finally:
        path.unlink(missing_ok=True)


def _download(offer: OfferedFile, target: Path, progress: Progress, should_stop: Stopping | None) -> Digests:
    told = announced(offer)
    if target.is_file():
        # All of it had come when the process that fetched it ended.
        return digest_file(target)
    try:
        return download(
            offer.url,
            target,
            size=offer.size,
            # With AutoV3 there is a second opinion on bytes with another SHA256, so they are judged here.
            sha256="" if "autov3" in told else told.get("sha256", "").lower(),
            credentials=credentials_for(offer.url),
            progress=progress,
            should_stop=should_stop,
        )
    except HtmlInsteadOfFile as error:
        raise web_page(error, offer.name) from None


def _verify(offer: OfferedFile, target: Path, digests: Digests) -> tuple[StoredFile, Judgment]:
    """Store the bytes if they are an adapter's and those announced; what they are is looked at first."""
    try:
        container = container_of(target, offer.name)
    except Unreadable:
        raise
    except WeightsError as error:
        raise NotSafetensors(f"{offer.name}: {error.message} ({error.code})") from None
    judgment = judge(digests, announced(offer), offer.name)
    blob = storage.adopt(target, digests, container=container)
    found = stored_file(blob, offer.name, container)
    stated = announced(offer).get("sha256", "").lower()
    return StoredFile(found.blob, found.name, found.reading, found.reader, found.quarantine, stated), judgment


def _keep(offer: OfferedFile, stored: StoredFile, judgment: Judgment, digests: Digests, actor: str) -> Saved:
    with transaction.atomic():
        offer.triage = {**offer.triage, "digests": judgment.as_dict()}
        _stored(offer, stored.blob, digests.size)
        saved = save_files(offer.version, [stored], actor=actor)
        if not saved.changed:
            # The same bytes lay here under this version already; only the offer is new.
            note_change(saved.version, "version_updated")
    return saved


def _stored(offer: OfferedFile, blob: Any, read: int) -> None:
    offer.state, offer.code, offer.reason, offer.blob = OfferState.STORED, "", "", blob
    offer.read, offer.saved, offer.updated = offer.read + read, 0, timezone.now()
    told = ["state", "code", "reason", "blob", "read", "saved", "triage", "updated"]
    offer.save(update_fields=told)


@contextmanager
def _held(offer: OfferedFile) -> Iterator[Path]:
    """Where the file lies for a moment, while no other process fetches it; another digest is another file.

    The lock ends with the process. Raises DownloadRunning.
    """
    # Where no digest is announced, what another address or size stands for is taken for another file.
    described = hashlib.sha256(f"{offer.size} {offer.url}".encode()).hexdigest()
    stated = (announced(offer).get("sha256", "") or described)[:12]
    with half_fetched.held(offer.pk) as mine:
        if not mine:
            raise DownloadRunning(f"{offer.name} is being fetched by another process.")
        yield half_fetched.folder() / f"{offer.pk}-{stated}"
