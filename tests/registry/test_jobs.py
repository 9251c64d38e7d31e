"""Jobs as rows: asking, claiming, failing, stopping, and taking back what a dead worker left."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from registry import jobs
from registry.errors import KuraError
from registry.leases import is_gone, worker_name
from registry.models.jobs import Job, JobQueue, JobState

pytestmark = [pytest.mark.database, pytest.mark.django_db]


class Hopeless(KuraError):
    code = "hopeless"


class Passing(KuraError):
    code = "passing"
    permanent = False


Does = Callable[[Callable[[jobs.JobContext], None]], None]


@pytest.fixture
def does(monkeypatch: pytest.MonkeyPatch) -> Does:
    """Say what jobs of the kind "test" do."""

    def set_handler(run: Callable[[jobs.JobContext], None], failed: jobs.Failed | None = None) -> None:
        monkeypatch.setitem(jobs._handlers, "test", jobs.Handler(run, failed))

    return set_handler


@pytest.fixture
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queues that were woken, instead of messages to a broker."""
    queues: list[str] = []
    monkeypatch.setattr(jobs, "wake", lambda queue, **_: queues.append(queue))
    return queues


def _expire(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(
        lease_until=Now() - timedelta(seconds=1), worker="elsewhere:1:2:other"
    )


# --- Asking -------------------------------------------------------------------------------------------------


def test_asking_twice_gives_one_job(woken: list[str]) -> None:
    first = jobs.enqueue("test", "a")
    second = jobs.enqueue("test", "a")
    assert first.pk == second.pk
    assert Job.objects.count() == 1


def test_a_worker_is_woken_only_when_the_row_is_committed(
    woken: list[str], django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        jobs.enqueue("test", "a", queue=JobQueue.GPU)
        assert woken == []
    assert woken == ["gpu"]


def test_asking_again_more_urgently_moves_a_waiting_job_forward(woken: list[str]) -> None:
    jobs.enqueue("test", "a", priority=5)
    assert jobs.enqueue("test", "a", priority=-1).priority == -1
    assert jobs.enqueue("test", "a", priority=9).priority == -1


def test_a_finished_job_stays_finished_unless_asked_for_again(does: Does, woken: list[str]) -> None:
    does(lambda context: None)
    jobs.enqueue("test", "a")
    jobs.run_next("cpu")
    assert jobs.enqueue("test", "a").state == JobState.DONE
    again = jobs.enqueue("test", "a", payload={"n": 2}, again=True)
    assert (again.state, again.attempt, again.payload) == (JobState.QUEUED, 0, {"n": 2})


def test_a_broker_that_is_away_does_not_stop_the_asking(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_: object, **__: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(jobs.current_app, "send_task", away)
    jobs.wake("cpu")
    assert "the reaper will" in caplog.text


# --- Claiming -----------------------------------------------------------------------------------------------


def test_urgent_jobs_go_first_then_those_of_the_loaded_base_then_the_oldest(woken: list[str]) -> None:
    jobs.enqueue("test", "old sdxl", queue="gpu", base="sdxl")
    jobs.enqueue("test", "flux", queue="gpu", base="flux-dev")
    jobs.enqueue("test", "new sdxl", queue="gpu", base="sdxl")
    jobs.enqueue("test", "a person waits", queue="gpu", base="sd15", priority=-10)
    order = [job.key for _ in range(4) if (job := jobs.claim("gpu", "w", loaded="flux-dev"))]
    assert order == ["a person waits", "flux", "old sdxl", "new sdxl"]


def test_cpu_work_is_not_taken_by_a_gpu_worker(woken: list[str]) -> None:
    jobs.enqueue("test", "a")
    assert jobs.claim("gpu", "w") is None


def test_a_claimed_job_carries_its_worker_and_lease(woken: list[str]) -> None:
    jobs.enqueue("test", "a")
    job = jobs.claim("cpu", "w")
    assert job is not None
    assert (job.state, job.worker, job.attempt) == (JobState.RUNNING, "w", 1)
    assert job.lease_until and job.heartbeat and job.lease_until > job.heartbeat


def test_a_job_waits_until_its_time(woken: list[str]) -> None:
    jobs.enqueue("test", "a")
    Job.objects.update(not_before=Now() + timedelta(hours=1))
    assert jobs.claim("cpu", "w") is None
    assert jobs.waiting_queues() == []
    Job.objects.update(not_before=Now() - timedelta(seconds=1))
    assert jobs.claim("cpu", "w")


@pytest.mark.django_db(transaction=True)
def test_many_workers_take_every_job_once(woken: list[str]) -> None:
    for number in range(40):
        jobs.enqueue("test", str(number))

    def take(worker: int) -> list[str]:
        taken = []
        try:
            while job := jobs.claim("cpu", f"w{worker}"):
                taken.append(job.key)
        finally:
            connection.close()
        return taken

    with ThreadPoolExecutor(4) as pool:
        keys = [key for taken in pool.map(take, range(4)) for key in taken]
    assert sorted(keys) == sorted(str(number) for number in range(40))


# --- Doing --------------------------------------------------------------------------------------------------


def test_a_job_that_ends_is_done_and_gives_its_lease_back(does: Does, woken: list[str]) -> None:
    seen = []
    does(lambda context: seen.append(context.payload))
    jobs.enqueue("test", "a", payload={"version": 7})
    job = jobs.run_next("cpu")
    assert job and job.state == JobState.DONE and job.finished
    assert (job.worker, job.lease_until) == ("", None)
    assert seen == [{"version": 7}]


def test_a_permanent_error_fails_at_once_with_its_code(does: Does, woken: list[str]) -> None:
    def fail(context: jobs.JobContext) -> None:
        raise Hopeless("no such file")

    told: list[Job] = []
    does(fail, told.append)  # type: ignore[call-arg]
    jobs.enqueue("test", "a")
    job = jobs.run_next("cpu")
    assert job and (job.state, job.attempt) == (JobState.FAILED, 1)
    assert (job.error_code, job.error_message) == ("hopeless", "no such file")
    assert [failed.error_code for failed in told] == ["hopeless"]


def test_a_passing_error_is_tried_again_after_longer_and_longer_pauses(does: Does, woken: list[str]) -> None:
    def fail(context: jobs.JobContext) -> None:
        raise Passing("try later")

    does(fail)
    jobs.enqueue("test", "a", max_attempts=3)
    pauses = []
    for _ in range(2):
        job = jobs.run_next("cpu")
        assert job and job.state == JobState.QUEUED and job.not_before and job.started
        pauses.append(round((job.not_before - job.started).total_seconds()))
        Job.objects.update(not_before=None)
    assert pauses == [10, 20]
    job = jobs.run_next("cpu")
    assert job and (job.state, job.error_code, job.attempt) == (JobState.FAILED, "passing", 3)


def test_an_unforeseen_error_is_recorded_and_does_not_kill_the_worker(does: Does, woken: list[str]) -> None:
    does(lambda context: 1 / 0)  # type: ignore[arg-type, return-value]
    jobs.enqueue("test", "a", max_attempts=1)
    job = jobs.run_next("cpu")
    assert job and (job.state, job.error_code) == (JobState.FAILED, "internal_error")
    assert "ZeroDivisionError" in job.error_message


def test_a_kind_that_nobody_handles_fails_with_a_code(woken: list[str]) -> None:
    jobs.enqueue("from_the_future", "a")
    job = jobs.run_next("cpu")
    assert job and (job.state, job.error_code) == (JobState.FAILED, "unknown_job_kind")


def test_two_handlers_for_one_kind_are_refused(does: Does) -> None:
    does(lambda context: None)
    with pytest.raises(ValueError, match="Two handlers"):
        jobs.handler("test")(lambda context: None)


def test_progress_is_kept_and_never_exceeds_the_total(does: Does, woken: list[str]) -> None:
    def count(context: jobs.JobContext) -> None:
        for done in range(1, 11):
            context.progress(done, 10)

    does(count)
    jobs.enqueue("test", "a")
    job = jobs.run_next("cpu")
    assert job and (job.progress_done, job.progress_total) == (10, 10)


def test_work_goes_on_until_the_queue_is_empty(does: Does, woken: list[str]) -> None:
    does(lambda context: None)
    for key in "abc":
        jobs.enqueue("test", key)
    assert jobs.work("cpu") == 3
    assert set(Job.objects.values_list("state", flat=True)) == {JobState.DONE}


# --- Stopping -----------------------------------------------------------------------------------------------


def test_a_worker_that_is_told_to_stop_puts_its_job_back_uncounted(does: Does, woken: list[str]) -> None:
    does(lambda context: context.check())
    jobs.enqueue("test", "a")
    job = jobs.run_next("cpu", stopping=lambda: True)
    assert job and (job.state, job.attempt, job.worker) == (JobState.QUEUED, 0, "")


def test_an_interrupt_puts_the_job_back_and_ends_the_process(does: Does, woken: list[str]) -> None:
    def interrupted(context: jobs.JobContext) -> None:
        raise KeyboardInterrupt

    does(interrupted)
    job = jobs.enqueue("test", "a")
    with pytest.raises(KeyboardInterrupt):
        jobs.run_next("cpu")
    job.refresh_from_db()
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)


# --- Dead workers -------------------------------------------------------------------------------------------


def test_a_job_with_a_living_worker_is_left_alone(woken: list[str]) -> None:
    jobs.enqueue("test", "a")
    jobs.claim("cpu", worker_name())
    assert jobs.reap() == 0


def test_a_job_whose_lease_ran_out_is_taken_back(woken: list[str]) -> None:
    jobs.enqueue("test", "a")
    job = jobs.claim("cpu", "w")
    assert job
    _expire(job)
    assert jobs.reap() == 1
    job.refresh_from_db()
    assert (job.state, job.worker) == (JobState.QUEUED, "")
    second = jobs.claim("cpu", "w2")
    assert second and second.attempt == 2


def test_a_worker_killed_on_this_machine_is_noticed_before_its_lease_runs_out(woken: list[str]) -> None:
    code = "from registry.leases import worker_name; print(worker_name())"
    dead = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert is_gone(dead)
    jobs.enqueue("test", "a")
    assert jobs.claim("cpu", dead)
    assert jobs.reap() == 1


def test_a_worker_on_another_machine_is_never_called_gone() -> None:
    host, pid, start, machine = worker_name().rsplit(":", 3)
    assert not is_gone(worker_name())
    assert not is_gone(f"{host}:999999999:{start}:elsewhere")
    assert is_gone(f"{host}:{pid}:1{start}:{machine}"), (
        "another process with the same number is not the worker"
    )
    assert not is_gone("no name at all")


def test_a_job_that_kills_every_worker_fails_in_the_end(does: Does, woken: list[str]) -> None:
    told: list[Job] = []
    does(lambda context: None, told.append)  # type: ignore[call-arg]
    jobs.enqueue("test", "a", max_attempts=2)
    for _ in range(2):
        job = jobs.claim("cpu", "w")
        assert job
        _expire(job)
        assert jobs.reap() == 1
    job.refresh_from_db()
    assert (job.state, job.error_code) == (JobState.FAILED, "worker_lost")
    assert [failed.pk for failed in told] == [job.pk]


def test_a_worker_that_lost_its_lease_cannot_record_a_result(does: Does, woken: list[str]) -> None:
    def overtaken(context: jobs.JobContext) -> None:
        _expire(context.job)
        jobs.reap()
        other = jobs.claim("cpu", "other")
        assert other

    does(overtaken)
    jobs.enqueue("test", "a")
    job = jobs.run_next("cpu")
    assert job and (job.state, job.worker) == (JobState.RUNNING, "other")


@pytest.mark.django_db(transaction=True)
def test_a_long_job_keeps_its_lease(does: Does, woken: list[str], settings: object) -> None:
    settings.JOB_LEASE_SECONDS = 1  # type: ignore[attr-defined]
    ended = threading.Event()

    def long(context: jobs.JobContext) -> None:
        first = Job.objects.get(pk=context.job.pk).lease_until
        while not ended.wait(0.1):
            now = Job.objects.get(pk=context.job.pk).lease_until
            if first and now and now > first + timedelta(seconds=1):
                ended.set()
        assert not context.should_stop()

    does(long)
    jobs.enqueue("test", "a")
    job = jobs.run_next("cpu")
    assert job and job.state == JobState.DONE


# --- What the database refuses ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "asleep"},
        {"queue": "quantum"},
        {"state": "running"},
        {"state": "done"},
        {"state": "failed", "finished": Now()},
        {"worker": "w"},
        {"max_attempts": 0},
        {"progress_done": 2, "progress_total": 1},
    ],
    ids=lambda broken: " ".join(broken),
)
def test_the_database_refuses_a_job_that_contradicts_itself(
    broken: dict[str, object], woken: list[str]
) -> None:
    job = jobs.enqueue("test", "a")
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.filter(pk=job.pk).update(**broken)
