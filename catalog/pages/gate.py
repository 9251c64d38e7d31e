"""What every page has in common: who may see it, and the policy that keeps foreign code and pictures out."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponseBase

Args = ParamSpec("Args")
PageView = Callable[Concatenate[HttpRequest, Args], HttpResponseBase]

# Everything comes from this site: no inline script or style, no foreign picture, no embedding elsewhere.
POLICY: Final = "; ".join(
    [
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)


def page(view: PageView[Args]) -> PageView[Args]:
    """A page for readers: anonymous ones too, unless REQUIRE_LOGIN; always with the content policy."""

    @wraps(view)
    def wrapped(request: HttpRequest, /, *args: Args.args, **kwargs: Args.kwargs) -> HttpResponseBase:
        if settings.REQUIRE_LOGIN and not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        return with_policy(view(request, *args, **kwargs))

    return wrapped


def with_policy(response: HttpResponseBase) -> HttpResponseBase:
    """The response with the pages' content policy."""
    response.headers.setdefault("Content-Security-Policy", POLICY)
    return response
