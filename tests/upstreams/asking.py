"""Settings under which a test asks its server on loopback and nobody else."""

from __future__ import annotations

from pytest_django import Settings


def ask_only(settings: Settings, host: str) -> None:
    """No other host, no waiting, no memory of refusals, and budgets of this process alone."""
    settings.UPSTREAM_PRIVATE_HOSTS = [host]
    settings.UPSTREAM_HOSTS = []
    settings.UPSTREAM_FILE_HOSTS = []
    settings.UPSTREAM_TOKENS = {}
    settings.UPSTREAM_SHARED_BUDGETS = False
    settings.UPSTREAM_BACKOFF_SECONDS = 0.01
    settings.UPSTREAM_REMEMBER_REFUSALS_SECONDS = 0
