"""The reader's theme and language: two cookies set by plain forms, so that both work without JavaScript."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import check_for_language
from django.views.decorators.http import require_POST

THEMES = ("auto", "light", "dark")
THEME_COOKIE = "kura_theme"
_YEAR = 365 * 24 * 3600


def theme_of(request: HttpRequest) -> str:
    """The theme of the reader's cookie; anything else counts as auto."""
    theme = request.COOKIES.get(THEME_COOKIE, "")
    return theme if theme in THEMES else "auto"


def way_back(request: HttpRequest) -> str:
    """The local address given as `next`; the home page for anything that leads elsewhere."""
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(target, {request.get_host()}, require_https=request.is_secure())
    return target if safe else "/"


@require_POST
def save(request: HttpRequest) -> HttpResponse:
    """Remember `theme` or `language` for a year and go back to `next`."""
    response = HttpResponseRedirect(way_back(request))
    secure = request.is_secure()
    theme = request.POST.get("theme", "")
    if theme in THEMES:
        response.set_cookie(THEME_COOKIE, theme, max_age=_YEAR, samesite="Lax", secure=secure, httponly=True)
    language = request.POST.get("language", "")
    if language in dict(settings.LANGUAGES) and check_for_language(language):
        name = settings.LANGUAGE_COOKIE_NAME
        response.set_cookie(name, language, max_age=_YEAR, samesite="Lax", secure=secure, httponly=True)
    return response
