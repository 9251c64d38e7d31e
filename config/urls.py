"""Addresses of the site: health pages, the admin, and everything the catalog shows."""

from __future__ import annotations

from importlib.util import find_spec

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from config import health

# Before the addresses of the admin are asked for: they are those of the models that it knows.
admin.autodiscover()

urlpatterns: list[URLPattern | URLResolver] = [
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
if find_spec("catalog.urls"):
    urlpatterns.append(path("", include("catalog.urls")))
