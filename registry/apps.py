"""Registers the registry app with Django."""

from __future__ import annotations

from django.apps import AppConfig


class RegistryConfig(AppConfig):
    """Registry: what exists, where it came from, what may be done with it, whether it is vetted."""

    name = "registry"
    default_auto_field = "django.db.models.BigAutoField"
