"""The negative cache: an address that was refused is not asked again for a while, and the date is told."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from registry.models.upstreams import RememberedRefusal
from registry.sources.transport.policy import Credentials, without_secrets
from registry.sources.upstream_errors import (
    EarlyAccess,
    GatedUpstream,
    GoneUpstream,
    NotFoundUpstream,
    UpstreamError,
)

REMEMBERED: dict[str, type[UpstreamError]] = {
    each.code: each for each in (NotFoundUpstream, GoneUpstream, GatedUpstream, EarlyAccess)
}
# A missing file may be a storage that has a bad minute: Civitai answers 404 then.
MISSING_FILE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What was answered, when, and until when that is believed."""

    code: str
    message: str
    status: int | None
    asked: datetime
    expires: datetime
    opens: datetime | None

    def error(self) -> UpstreamError:
        """The error again, with its date."""
        message = f"{self.message} That was its answer at {self.asked:%Y-%m-%d %H:%M} UTC."
        if self.code == EarlyAccess.code:
            return EarlyAccess(message, status=self.status, until=self.opens)
        return REMEMBERED[self.code](message, status=self.status)


def key_of(method: str, url: str, credentials: Credentials | None) -> str:
    """What a refusal is filed under: who asked matters, and is not readable from it."""
    token = credentials.token if credentials else ""
    return hashlib.sha256(f"{method}\0{url}\0{token}".encode()).hexdigest()


def remembered(key: str) -> UpstreamError | None:
    """The refusal that still holds, as the error to raise."""
    if not settings.UPSTREAM_REMEMBER_REFUSALS_SECONDS:
        return None
    now = timezone.now()
    if not settings.UPSTREAM_SHARED_BUDGETS:
        with _lock:
            found = _process.get(key)
        return found.error() if found and found.expires > now else None
    row = RememberedRefusal.objects.filter(pk=key, expires__gt=now).first()
    if row is None or row.code not in REMEMBERED:
        return None
    return Refusal(row.code, row.message, row.status, row.asked, row.expires, row.opens).error()


def remember(key: str, url: str, error: UpstreamError, *, is_file: bool) -> None:
    """Keep the refusal, if it is one of those that last."""
    seconds = settings.UPSTREAM_REMEMBER_REFUSALS_SECONDS
    if not seconds or error.code not in REMEMBERED:
        return
    now = timezone.now()
    span = timedelta(seconds=seconds)
    if is_file and isinstance(error, NotFoundUpstream):
        span = min(span, MISSING_FILE)
    expires = now + span
    opens = error.until if isinstance(error, EarlyAccess) else None
    if opens and opens > now:
        expires = min(expires, opens)
    found = Refusal(error.code, error.message, error.status, now, expires, opens)
    if not settings.UPSTREAM_SHARED_BUDGETS:
        with _lock:
            _process[key] = found
        return
    with transaction.atomic(durable=True):
        RememberedRefusal.objects.filter(expires__lt=now).delete()
        RememberedRefusal.objects.update_or_create(
            pk=key,
            defaults={
                "address": without_secrets(url),
                "code": found.code,
                "message": found.message,
                "status": found.status,
                "asked": found.asked,
                "expires": found.expires,
                "opens": found.opens,
            },
        )


def forget(key: str) -> None:
    """It was answered after all."""
    if not settings.UPSTREAM_SHARED_BUDGETS:
        with _lock:
            _process.pop(key, None)
        return
    RememberedRefusal.objects.filter(pk=key).delete()


def forget_process() -> None:
    """Let this process's own memory begin anew, as in a new process."""
    with _lock:
        _process.clear()


_process: dict[str, Refusal] = {}
_lock = threading.Lock()
