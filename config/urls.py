"""Addresses of the site: health pages, the admin, and everything the catalog shows."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
]
if find_spec("catalog.urls"):
    urlpatterns.append(path("", include("catalog.urls")))
