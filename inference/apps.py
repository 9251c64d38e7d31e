"""Registers the inference app with Django."""

from __future__ import annotations

from django.apps import AppConfig


class InferenceConfig(AppConfig):
    """Inference: how an adapter looks."""

    name = "inference"
    default_auto_field = "django.db.models.BigAutoField"
