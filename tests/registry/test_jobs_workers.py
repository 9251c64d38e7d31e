"""Real workers, really killed: every job is done, once, whatever carries the messages."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from celery import Celery

from config.broker import celery_settings
from registry import jobs
from registry.models.jobs import Job, JobState
from tests.registry.brokers import end, rabbitmq_server, reaper, redis_server, wait_for, worker

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True), pytest.mark.slow]

SERVERS = {"redis": redis_server, "rabbitmq": rabbitmq_server}


@pytest.fixture(params=["filesystem", *(pytest.param(name, marks=pytest.mark.broker) for name in SERVERS)])
def broker(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a running broker, to which this process sends as well."""
    with ExitStack() as stack:
        url = "filesystem://"
        if request.param in SERVERS:
            url = stack.enter_context(SERVERS[request.param](tmp_path))
        sender = Celery("sender", set_as_current=False)
        sender.config_from_object(celery_settings(url, tmp_path / "broker"), namespace="CELERY")
        monkeypatch.setattr(jobs, "current_app", sender)
        yield url
        sender.close()


def _diary(folder: Path) -> list[str]:
    diary = folder / "diary"
    return diary.read_text().splitlines() if diary.exists() else []


def _log(folder: Path) -> str:
    return (folder / "processes.log").read_text(errors="replace")[-3000:]


def test_a_job_outlives_the_worker_that_is_killed_in_the_middle_of_it(broker: str, tmp_path: Path) -> None:
    for key in ("first", "second", "third"):
        jobs.enqueue("tests.slow", key, payload={"folder": str(tmp_path)})
    with worker(broker, tmp_path) as doomed:
        wait_for(lambda: _diary(tmp_path), 60, lambda: _log(tmp_path))
        end(doomed, signal.SIGKILL)
    assert Job.objects.get(key="first").state == JobState.RUNNING, "nobody has noticed yet"

    (tmp_path / "release").touch()
    with worker(broker, tmp_path), reaper(broker, tmp_path):
        wait_for(lambda: not Job.objects.exclude(state=JobState.DONE), 60, lambda: _log(tmp_path))
    ended = [line.split()[1] for line in _diary(tmp_path) if line.startswith("ended")]
    assert sorted(ended) == ["first", "second", "third"], "each is done, and once"
    attempts = dict(Job.objects.filter(kind="tests.slow").values_list("key", "attempt"))
    assert attempts == {"first": 2, "second": 1, "third": 1}


def test_a_worker_that_is_asked_to_end_gives_its_job_back_at_once(broker: str, tmp_path: Path) -> None:
    job = jobs.enqueue("tests.slow", "only", payload={"folder": str(tmp_path)})
    with worker(broker, tmp_path) as asked:
        wait_for(lambda: _diary(tmp_path), 60, lambda: _log(tmp_path))
        end(asked, signal.SIGTERM)
        assert asked.returncode == 0
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)


def test_a_lost_message_costs_time_but_no_job(
    broker: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as silent:
        silent.setattr(jobs, "wake", lambda *_, **__: None)
        jobs.enqueue("tests.slow", "unheard", payload={"folder": str(tmp_path)})
    (tmp_path / "release").touch()
    with worker(broker, tmp_path), reaper(broker, tmp_path):
        done = Job.objects.filter(kind="tests.slow", state=JobState.DONE)
        wait_for(lambda: done.all(), 60, lambda: _log(tmp_path))


@pytest.mark.parametrize("broker", [pytest.param("rabbitmq", marks=pytest.mark.broker)], indirect=True)
def test_a_worker_outlives_a_broker_that_lost_patience_during_a_long_job(broker: str, tmp_path: Path) -> None:
    """The test's server hangs up after two silent heartbeats of 3 s; a busy solo worker sends none."""
    jobs.enqueue("tests.deaf", "long", payload={"folder": str(tmp_path), "seconds": 12})
    with worker(broker, tmp_path) as patient:
        wait_for(lambda: len(_diary(tmp_path)) == 1, 60, lambda: _log(tmp_path))
        jobs.enqueue("tests.deaf", "short", payload={"folder": str(tmp_path), "seconds": 0})
        wait_for(lambda: not Job.objects.exclude(state=JobState.DONE), 60, lambda: _log(tmp_path))
        assert patient.poll() is None
    assert "missed heartbeats from client" in (tmp_path / "rabbitmq.log").read_text(errors="replace")
