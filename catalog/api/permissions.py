"""Who may call what: reading is open unless REQUIRE_LOGIN, decisions belong to reviewers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from catalog import access
from catalog.models import AccessToken
from catalog.people import is_reviewer

if TYPE_CHECKING:
    # The framework's views load this module while they are being loaded themselves.
    from rest_framework.views import APIView


class ReadUnlessLoginRequired(BasePermission):
    """Anybody may read, unless the site asks for a login; nobody may write here."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """True for a reading call that is open to this caller."""
        return request.method in SAFE_METHODS and (not settings.REQUIRE_LOGIN or _signed_in(request))


class AskUnlessLoginRequired(BasePermission):
    """Anybody may ask a question too long for an address; it is posted, and it changes nothing."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """True for a call that is open to this caller."""
        return not settings.REQUIRE_LOGIN or _signed_in(request)


class SignedIn(BasePermission):
    """Reading for people and programs that are known by name."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """True for a reading call of a known caller."""
        return request.method in SAFE_METHODS and _signed_in(request)


class ReviewersWrite(BasePermission):
    """Known callers read, reviewers write; a token must have been made for reviewing."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """True for a known caller who reads, or a reviewer. Raises ScopeMissing for another token."""
        if not _signed_in(request):
            return False
        return request.method in SAFE_METHODS or _reviews(request)


class ReviewersOnly(BasePermission):
    """Reviewers read and write; a token must have been made for reviewing."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """True for a reviewer. Raises ScopeMissing for a token with another scope."""
        return _reviews(request)


def _signed_in(request: Request) -> bool:
    return bool(request.user and request.user.is_authenticated)


def _reviews(request: Request) -> bool:
    """Whether a reviewer calls. Raises ScopeMissing for a token that was made for something else."""
    if not is_reviewer(request.user):
        return False
    if isinstance(request.auth, AccessToken):
        access.require_scope(request.auth, access.REVIEW)
    return True
