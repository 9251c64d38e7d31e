"""Access tokens: made once, shown once, kept only as a SHA256, and checked on every call."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.utils import timezone

from catalog.errors import BadToken, ScopeMissing, TokenExpired, TokenRevoked, TokenUnknown
from catalog.models import AccessToken

PREFIX = "kura_"
DOWNLOAD = "download"
REVIEW = "review"
SCOPES = (DOWNLOAD, REVIEW)
NAME_MAX = 100
# A token is used many times a minute by a program that downloads; its row is not written each time.
USE_NOTED_EVERY = timedelta(minutes=1)


def create(
    user: User, name: str, scopes: Collection[str] = (DOWNLOAD,), *, expires: datetime | None = None
) -> tuple[AccessToken, str]:
    """Make a token for `user`; returns its row and the token itself, which can never be read again.

    32 random bytes make guessing hopeless, so one plain SHA256 is enough to keep. Raises BadToken.
    """
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX:
        raise BadToken("The name must have 1 to 100 characters.")
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise BadToken(f"Unknown scope {unknown[0]!r}." if unknown else "A token needs at least one scope.")
    if expires is not None and expires <= timezone.now():
        raise BadToken("The expiry lies in the past.")
    token = PREFIX + secrets.token_urlsafe(32)
    row = AccessToken.objects.create(
        user=user,
        name=name,
        digest=_digest(token),
        hint=token[: len(PREFIX) + 4],
        scopes=[scope for scope in SCOPES if scope in scopes],
        expires=expires,
    )
    return row, token


def find(token: str) -> AccessToken:
    """The row of a token that is good now. Raises TokenUnknown, TokenRevoked or TokenExpired."""
    digest = _digest(token)
    row = AccessToken.objects.select_related("user").filter(digest=digest).first()
    # The index finds by digest, of which an attacker controls no byte; the comparison adds constant time.
    if row is None or not hmac.compare_digest(row.digest, digest):
        raise TokenUnknown("The bearer token is not known here.")
    if row.revoked is not None or not row.user.is_active:
        raise TokenRevoked("The bearer token was switched off.")
    now = timezone.now()
    if row.expires is not None and row.expires <= now:
        raise TokenExpired(f"The bearer token expired at {row.expires:%Y-%m-%d %H:%M} UTC.")
    _note_use(row, now)
    return row


def require_scope(token: AccessToken, scope: str) -> None:
    """Raises ScopeMissing when the token was not made for `scope`."""
    if scope not in token.scopes:
        raise ScopeMissing(f"The token {token.name!r} has not the scope {scope!r}.")


def revoke(token: AccessToken) -> None:
    """Switch a token off for good; doing it twice keeps the first date."""
    AccessToken.objects.filter(pk=token.pk, revoked__isnull=True).update(revoked=timezone.now())


def _note_use(row: AccessToken, now: datetime) -> None:
    if row.last_used is None or now - row.last_used >= USE_NOTED_EVERY:
        due = Q(last_used__isnull=True) | Q(last_used__lte=now - USE_NOTED_EVERY)
        AccessToken.objects.filter(due, pk=row.pk).update(last_used=now)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
