"""The Celery application: two queues, and messages that only wake a worker (the job itself is a row)."""

from __future__ import annotations

import os

from celery import Celery

from config import file_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

file_broker.register()

app = Celery("kura")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
