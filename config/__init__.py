"""Wiring: settings, addresses, the Celery application, health pages, the embedded database."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
