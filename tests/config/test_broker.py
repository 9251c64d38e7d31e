"""What Celery is told, and the broker made of files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from kombu import Connection
from kombu.exceptions import OperationalError
from kombu.transport.virtual import Empty

from config import file_broker
from config.broker import celery_settings
from config.env import ConfigError


def _connection(folder: Path) -> Connection:
    told = celery_settings("filesystem://", folder)
    return Connection(
        "filesystem://localhost",
        transport=file_broker.Transport,
        transport_options=told["CELERY_BROKER_TRANSPORT_OPTIONS"],
    )


def test_an_unknown_broker_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CELERY_BROKER_URL must start with"):
        celery_settings("sqla+postgresql://host/db", tmp_path)


@pytest.mark.parametrize(
    "url", ["filesystem://", "redis://h/0", "rediss://h/0", "amqp://h//", "pyamqp://h//"]
)
def test_every_broker_has_the_two_queues_and_keeps_no_results(url: str, tmp_path: Path) -> None:
    told = celery_settings(url, tmp_path)
    assert [queue.name for queue in told["CELERY_TASK_QUEUES"]] == ["cpu", "gpu"]
    assert told["CELERY_TASK_IGNORE_RESULT"] and told["CELERY_WORKER_PREFETCH_MULTIPLIER"] == 1
    assert told["CELERY_ACCEPT_CONTENT"] == ["json"], "a message can never be unpickled"


def test_rabbitmq_gets_quorum_queues(tmp_path: Path) -> None:
    queues = celery_settings("amqp://h//", tmp_path)["CELERY_TASK_QUEUES"]
    assert {queue.queue_arguments["x-queue-type"] for queue in queues} == {"quorum"}


def test_messages_come_out_in_the_order_they_went_in(tmp_path: Path) -> None:
    with _connection(tmp_path) as connection:
        channel = connection.channel()
        for number in range(3):
            channel._put("cpu", {"number": number})
        channel._put("gpu", {"number": 9})
        assert sorted(channel._get("cpu")["number"] for _ in range(3)) == [0, 1, 2]
        with pytest.raises(Empty):
            channel._get("cpu")
        assert channel._get("gpu") == {"number": 9}


def test_a_message_is_never_seen_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    write = Path.write_text

    def look_while_writing(path: Path, text: str, **options: Any) -> int:
        count = write(path, text[: len(text) // 2], **options)
        seen.append([file.name for file in path.parent.glob("*.cpu.msg")])
        write(path, text, **options)
        return count

    with _connection(tmp_path) as connection:
        channel = connection.channel()
        with monkeypatch.context() as slow:
            slow.setattr(Path, "write_text", look_while_writing)
            channel._put("cpu", {"number": 1})
        assert seen == [[]]
        (message,) = (tmp_path / "messages").glob("*.msg")
        assert json.loads(message.read_text()) == {"number": 1}


def test_a_folder_that_cannot_be_written_is_an_error_of_the_broker(tmp_path: Path) -> None:
    with _connection(tmp_path) as connection:
        channel = connection.channel()
        for file in sorted((tmp_path / "messages").rglob("*"), reverse=True):
            file.unlink()
        (tmp_path / "messages").rmdir()
        with pytest.raises((OperationalError, *connection.channel_errors)):
            channel._put("cpu", {})
