"""Addresses of the catalog: what programs call, the pictures, and the pages."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("catalog.api.urls")),
    path("media/", include("catalog.images")),
    path("", include("catalog.pages.urls")),
]
