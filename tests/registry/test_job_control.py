"""Jobs in a person's hand: pause, resume, cancel, and try again what failed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models.functions import Now

from registry import job_control, jobs
from registry.errors import KuraError
from registry.models.jobs import Job, JobState

pytestmark = [pytest.mark.database, pytest.mark.django_db]

Work = Callable[[jobs.JobContext], None]


class Hopeless(KuraError):
    code = "hopeless"


class Passing(KuraError):
    code = "passing"
    permanent = False


@pytest.fixture
def does(monkeypatch: pytest.MonkeyPatch) -> Callable[[Work], None]:
    """Say what jobs of the kind "test" do."""
    return lambda work: monkeypatch.setitem(jobs._handlers, "test", jobs.Handler(work, None))


@pytest.fixture(autouse=True)
def woken(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    queues: list[str] = []
    monkeypatch.setattr(jobs, "wake", lambda queue, **_: queues.append(queue))
    return queues


def _state(job: Job) -> str:
    job.refresh_from_db()
    return job.state


def _fail(context: jobs.JobContext) -> None:
    raise Hopeless("No.")


def test_a_waiting_job_is_canceled_at_once() -> None:
    job = jobs.enqueue("test", "a")
    job_control.cancel(job)
    assert _state(job) == JobState.CANCELED
    assert jobs.claim("cpu", "w") is None


def test_a_paused_job_is_taken_by_nobody_until_it_is_resumed(
    woken: list[str], django_capture_on_commit_callbacks: Callable[..., object]
) -> None:
    job = jobs.enqueue("test", "a")
    job_control.pause(job)
    assert _state(job) == JobState.PAUSED
    assert jobs.claim("cpu", "w") is None
    assert jobs.waiting_queues() == []
    woken.clear()
    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[attr-defined]
        job_control.resume(job)
    assert woken == ["cpu"]
    assert jobs.claim("cpu", "w") == job


def test_asking_again_leaves_a_paused_job_paused() -> None:
    job = jobs.enqueue("test", "a")
    job_control.pause(job)
    assert jobs.enqueue("test", "a", again=True).state == JobState.PAUSED


@pytest.mark.parametrize(
    ("ask", "after"), [(job_control.cancel, JobState.CANCELED), (job_control.pause, JobState.PAUSED)]
)
def test_a_running_job_stops_at_its_next_safe_point(
    does: Callable[[Work], None], ask: Callable[[Job], None], after: JobState
) -> None:
    reached: list[str] = []

    def work(context: jobs.JobContext) -> None:
        ask(context.job)
        reached.append("before the safe point")
        context.check()
        reached.append("after it")

    does(work)
    jobs.enqueue("test", "a")
    job = jobs.run_next("cpu")
    assert job and (job.state, reached) == (after, ["before the safe point"])
    # It was asked, not refused: the attempt does not count.
    assert job.attempt == 0


def test_a_pause_that_is_taken_back_in_time_stops_nothing(does: Callable[[Work], None]) -> None:
    def work(context: jobs.JobContext) -> None:
        job_control.pause(context.job)
        job_control.resume(context.job)
        context.check()

    does(work)
    jobs.enqueue("test", "a")
    job = jobs.run_next("cpu")
    assert job and job.state == JobState.DONE


def test_a_paused_job_can_be_canceled() -> None:
    job = jobs.enqueue("test", "a")
    job_control.pause(job)
    job_control.cancel(job)
    assert _state(job) == JobState.CANCELED


def test_a_job_that_is_moved_up_goes_first() -> None:
    for key, priority in (("urgent", -5), ("plain", 0), ("late", 9)):
        jobs.enqueue("test", key, priority=priority)
    job_control.move_to_top(Job.objects.get(key="late"))
    order = [job.key for _ in range(3) if (job := jobs.claim("cpu", "w"))]
    assert order == ["late", "urgent", "plain"]


def test_canceling_wins_over_pausing(does: Callable[[Work], None]) -> None:
    def work(context: jobs.JobContext) -> None:
        job_control.pause(context.job)
        job_control.cancel(context.job)
        context.check()

    does(work)
    jobs.enqueue("test", "a")
    job = jobs.run_next("cpu")
    assert job and job.state == JobState.CANCELED


@pytest.mark.parametrize(
    ("ask", "after"), [(job_control.cancel, JobState.CANCELED), (job_control.pause, JobState.PAUSED)]
)
def test_what_was_asked_of_a_job_holds_when_its_worker_dies(
    ask: Callable[[Job], None], after: JobState
) -> None:
    jobs.enqueue("test", "a")
    job = jobs.claim("cpu", "elsewhere:1:2:other")
    assert job
    ask(job)
    Job.objects.update(lease_until=Now() - timedelta(seconds=1))
    assert jobs.reap() == 1
    assert _state(job) == after


def test_a_pause_holds_when_the_attempt_fails_meanwhile(does: Callable[[Work], None]) -> None:
    def work(context: jobs.JobContext) -> None:
        job_control.pause(context.job)
        raise Passing("The line is down.")

    does(work)
    jobs.enqueue("test", "a")
    job = jobs.run_next("cpu")
    assert job and (job.state, job.error_code) == (JobState.PAUSED, "passing")


def test_a_failed_job_is_tried_again_as_it_was_asked_for(does: Callable[[Work], None]) -> None:
    does(_fail)
    asked = jobs.enqueue("test", "a", payload={"n": 1}, priority=3, max_attempts=2)
    jobs.run_next("cpu")
    job_control.retry(asked)
    asked.refresh_from_db()
    assert (asked.state, asked.payload, asked.priority, asked.max_attempts, asked.attempt) == (
        JobState.QUEUED,
        {"n": 1},
        3,
        2,
        0,
    )
    assert asked.error_code == ""


def test_work_that_is_done_is_not_done_again_by_a_late_press(does: Callable[[Work], None]) -> None:
    does(lambda context: None)
    job = jobs.enqueue("test", "a")
    jobs.run_next("cpu")
    job_control.retry(job)
    assert _state(job) == JobState.DONE


def test_all_failed_jobs_are_tried_again_and_no_others(does: Callable[[Work], None]) -> None:
    does(_fail)
    for key in "abc":
        jobs.enqueue("test", key)
    jobs.work("cpu")
    canceled = jobs.enqueue("test", "d")
    job_control.cancel(canceled)
    assert job_control.retry_failed() == 3
    assert Job.objects.filter(state=JobState.QUEUED).count() == 3
    assert _state(canceled) == JobState.CANCELED


def test_progress_may_be_the_bytes_of_a_large_file(does: Callable[[Work], None]) -> None:
    does(lambda context: context.progress(7 * 2**30, 7 * 2**30))
    jobs.enqueue("test", "a")
    job = jobs.run_next("cpu")
    assert job and (job.state, job.progress_done) == (JobState.DONE, 7 * 2**30)
