"""A file's progress as a row: speed, time left, and how it ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from registry import job_control, jobs
from registry.errors import KuraError
from registry.jobs import JobStopped
from registry.models import Job, JobState, Transfer, TransferState
from registry.transfers import Meter, Speed, watching

database = [pytest.mark.database, pytest.mark.django_db]


class Broken(KuraError):
    code = "broken"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def _row() -> Transfer:
    return Transfer.objects.get()


@given(
    st.integers(min_value=0, max_value=10**9),
    st.lists(st.floats(min_value=0.01, max_value=60), min_size=1, max_size=30),
)
def test_a_steady_line_has_its_own_speed_however_uneven_the_steps(rate: int, steps: list[float]) -> None:
    speed, moment = Speed(), 0.0
    speed.step(moment, 0)
    for step in steps:
        moment += step
        speed.step(moment, round(rate * moment))
    assert speed.now == pytest.approx(rate, rel=1e-3, abs=200)


@given(st.lists(st.tuples(st.floats(0, 100), st.integers(0, 10**12)), max_size=30))
def test_a_speed_is_never_negative(steps: list[tuple[float, int]]) -> None:
    speed, moment = Speed(), 0.0
    for step, done in steps:
        moment += step
        speed.step(moment, done)
        assert speed.now >= 0


def test_bytes_of_an_earlier_attempt_count_as_no_speed() -> None:
    speed = Speed()
    speed.step(0.0, 900_000_000)
    speed.step(1.0, 901_000_000)
    assert speed.now == pytest.approx(1_000_000)


class TestMeter:
    pytestmark = database

    def test_it_shows_bytes_speed_and_the_time_left(self) -> None:
        clock = Clock()
        with Meter("a.safetensors", clock=clock) as meter:
            meter(0, 1000)
            clock.now = 2.0
            meter(200, 1000)
            row = _row()
            assert (row.done, row.total, row.speed, row.percent) == (200, 1000, 100, 20)
            assert row.remaining == timedelta(seconds=8)

    def test_it_writes_at_most_once_a_second(self, django_assert_num_queries: object) -> None:
        clock = Clock()
        meter = Meter("a.safetensors", clock=clock)
        with django_assert_num_queries(3):  # type: ignore[operator]
            for step in range(201):
                clock.now = step / 100
                meter(step, 1000)

    def test_leaving_it_says_done(self) -> None:
        with Meter("a.safetensors", total=10) as meter:
            meter(3, 10)
        assert (_row().state, _row().percent, _row().speed) == (TransferState.DONE, 100, 0)

    @pytest.mark.parametrize(
        ("error", "state", "code"),
        [
            (Broken("It broke."), TransferState.FAILED, "broken"),
            (RuntimeError("?"), TransferState.FAILED, "internal_error"),
            (JobStopped(), TransferState.STOPPED, ""),
            (KeyboardInterrupt(), TransferState.STOPPED, ""),
        ],
    )
    def test_an_error_says_how_it_ended_and_keeps_the_bytes(
        self, error: BaseException, state: TransferState, code: str
    ) -> None:
        with pytest.raises(type(error)), Meter("a.safetensors") as meter:
            meter(3, 10)
            raise error
        assert (_row().state, _row().code, _row().done) == (state, code, 3)

    def test_a_second_attempt_uses_the_same_row(self) -> None:
        job = Job.objects.create(kind="registry.fetch", key="offer:1")
        with pytest.raises(Broken), Meter("a.safetensors", job=job) as meter:
            meter(5, 10)
            raise Broken("It broke.")
        with Meter("a.safetensors", job=job) as meter:
            meter(10, 10)
        assert (_row().state, _row().code) == (TransferState.DONE, "")

    def test_an_unknown_total_gives_no_percent_and_no_time_left(self) -> None:
        meter = Meter("a.safetensors")
        meter(500)
        assert (_row().percent, _row().remaining, _row().total) == (None, None, None)

    def test_more_bytes_than_announced_never_overfill_the_bar(self) -> None:
        meter = Meter("a.safetensors")
        meter(11, 10)
        assert _row().percent == 100

    def test_one_that_tells_nothing_any_more_does_not_move(self) -> None:
        Meter("a.safetensors", total=10)
        Transfer.objects.update(speed=5, updated=timezone.now() - timedelta(minutes=1))
        assert not _row().moving
        assert _row().remaining is None

    def test_a_watcher_sees_every_step_as_long_as_it_watches(self) -> None:
        seen: list[tuple[int, str]] = []
        meter = Meter("a.safetensors", total=10, clock=lambda: 0.0)
        with watching(lambda row: seen.append((row.done, row.state))):
            for done in (1, 2, 3):
                meter(done, 10)
            meter.finish()
        meter(4, 10)
        assert seen == [(1, "running"), (2, "running"), (3, "running"), (3, "done")]


class TestInAJob:
    pytestmark = database

    @pytest.fixture(autouse=True)
    def no_broker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jobs, "wake", lambda queue, **_: None)

    def _do(self, monkeypatch: pytest.MonkeyPatch, work: Callable[[jobs.JobContext], None]) -> Job:
        monkeypatch.setitem(jobs._handlers, "test", jobs.Handler(work, None))
        jobs.enqueue("test", "a")
        job = jobs.run_next("cpu")
        assert job
        return job

    def test_a_file_belongs_to_the_job_that_fetches_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def work(context: jobs.JobContext) -> None:
            with Meter("a.safetensors") as meter:
                meter(10, 10)

        job = self._do(monkeypatch, work)
        assert (_row().job, job.state) == (job, JobState.DONE)
        assert jobs.current() is None

    def test_a_pause_stops_in_the_middle_of_a_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def work(context: jobs.JobContext) -> None:
            clock = Clock()
            with Meter("a.safetensors", clock=clock) as meter:
                for done in range(1, 11):
                    clock.now += 2
                    if done == 4:
                        job_control.pause(context.job)
                    meter(done, 10)

        job = self._do(monkeypatch, work)
        assert job.state == JobState.PAUSED
        assert (_row().state, _row().done) == (TransferState.STOPPED, 4)
