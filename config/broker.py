"""What Celery is told about each kind of broker, so that a long job is neither lost nor done twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from kombu.entity import Exchange, Queue

from config.env import ConfigError

# A message waits behind a worker's running job, at most so long before the broker offers it to another one.
UNSEEN_AGAIN_AFTER = 7200


def _queues(arguments: dict[str, str]) -> list[Queue]:
    """The two queues, on the nameless exchange that knows every queue and so needs no binding."""
    return [
        Queue(name, exchange=Exchange(""), routing_key=name, queue_arguments=arguments)
        for name in ("cpu", "gpu")
    ]


def celery_settings(url: str, folder: Path) -> dict[str, Any]:
    """Django settings (CELERY_...) for the broker at `url`; `folder` is where `filesystem://` keeps messages.

    The Job row is the truth and a message only wakes a worker. So a lost message costs a few seconds until
    the reaper sends another, and a doubled one finds nothing to claim.
    """
    scheme = urlsplit(url).scheme
    common: dict[str, Any] = {
        "CELERY_BROKER_URL": url,
        "CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP": True,
        "CELERY_TASK_IGNORE_RESULT": True,
        "CELERY_TASK_DEFAULT_QUEUE": "cpu",
        "CELERY_TASK_QUEUES": _queues({}),
        "CELERY_TASK_CREATE_MISSING_QUEUES": False,
        "CELERY_WORKER_PREFETCH_MULTIPLIER": 1,
        "CELERY_WORKER_ENABLE_REMOTE_CONTROL": False,
        "CELERY_WORKER_SEND_TASK_EVENTS": False,
        "CELERY_WORKER_HIJACK_ROOT_LOGGER": False,
        "CELERY_TASK_SERIALIZER": "json",
        "CELERY_ACCEPT_CONTENT": ["json"],
    }
    if scheme == "filesystem":
        messages = folder / "messages"
        return common | {
            # Kombu warns about an address without a host.
            "CELERY_BROKER_URL": "filesystem://localhost",
            "CELERY_BROKER_TRANSPORT_OPTIONS": {
                # One folder for both directions: every process reads what any process writes.
                "data_folder_in": str(messages),
                "data_folder_out": str(messages),
                "control_folder": str(folder / "messages"),
                "store_processed": False,
                "polling_interval": 0.2,
            },
        }
    if scheme in {"redis", "rediss"}:
        return common | {
            "CELERY_BROKER_TRANSPORT_OPTIONS": {
                "visibility_timeout": UNSEEN_AGAIN_AFTER,
                # Without these two kombu looks for unacknowledged messages only every 100 seconds.
                "unacked_restore_interval": 10,
                "unacked_restore_throttle": 1,
            },
        }
    if scheme in {"amqp", "amqps", "pyamqp"}:
        return common | {
            "CELERY_TASK_QUEUES": _queues({"x-queue-type": "quorum"}),
            "CELERY_WORKER_DETECT_QUORUM_QUEUES": True,
            "CELERY_BROKER_TRANSPORT_OPTIONS": {"confirm_publish": True},
        }
    raise ConfigError(
        f"CELERY_BROKER_URL must start with filesystem://, redis://, rediss:// or amqp://, not {scheme!r}."
    )
