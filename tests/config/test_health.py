"""Pages for machines."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from config import health
from registry import jobs
from registry.models.jobs import Job

pytestmark = [pytest.mark.database, pytest.mark.django_db]


def test_alive_asks_no_database(client: Client, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})
    assert "no-store" in answer["Cache-Control"]


def test_ready_names_what_is_there(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.json() == {"ready": True, "database": "ok", "broker": "ok", "storage": "ok"}


def test_not_ready_names_what_is_away_and_keeps_the_reason_to_itself(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away() -> None:
        raise ConnectionRefusedError("host db.internal refused")

    monkeypatch.setitem(health.LOOKS, "broker", away)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["broker"] == "away" and answer.json()["database"] == "ok"
    assert b"db.internal" not in answer.content
    assert "db.internal" in caplog.text


def test_metrics_count_jobs_and_tell_how_long_the_oldest_waits(client: Client) -> None:
    jobs.enqueue("test", "a", queue="gpu")
    jobs.enqueue("test", "b", queue="gpu")
    jobs.claim("gpu", "w")
    lines = client.get("/metrics").content.decode().splitlines()
    assert 'kura_jobs{queue="gpu",state="queued"} 1' in lines
    assert 'kura_jobs{queue="gpu",state="running"} 1' in lines
    assert 'kura_jobs{queue="cpu",state="queued"} 0' in lines
    assert 'kura_oldest_waiting_job_seconds{queue="cpu"} 0.0' in lines
    assert Job.objects.count() == 2


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_pages_can_only_be_read(client: Client, path: str) -> None:
    assert client.post(path).status_code == 405


def test_health_pages_answer_plain_http_when_everything_else_must_be_https(
    client: Client, settings: object
) -> None:
    settings.SECURE_SSL_REDIRECT = True  # type: ignore[attr-defined]
    assert client.get("/healthz").status_code == 200
    assert client.get("/admin/").status_code == 301


def test_the_storage_is_looked_at_without_writing(tmp_path: Path, settings: object) -> None:
    place = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "blobs"},
    }
    settings.STORAGES = {**settings.STORAGES, "blobs": place}  # type: ignore[attr-defined]
    health.LOOKS["storage"]()
    assert not (tmp_path / "blobs").exists()
