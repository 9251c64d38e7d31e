"""Registers the catalog app with Django."""

from __future__ import annotations

from django.apps import AppConfig


class CatalogConfig(AppConfig):
    """Catalog: what people and programs see."""

    name = "catalog"
    default_auto_field = "django.db.models.BigAutoField"
