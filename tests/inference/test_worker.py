"""Worker processes: real ones, really killed, and what `--check` tells of a machine."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from inference import warm_bases
from inference.base_files import BaseFiles
from inference.errors import CannotRender
from inference.models import Cell, Sheet, SheetState
from inference.recipes import library
from inference.services import request_sheet
from inference.warm_bases import WarmBases, forget_engine
from inference.worker import DeviceBroken, Supervisor, card_of, serve
from registry import jobs
from registry.models import Job, JobState
from tests.inference.rows import kohya_lora, make_base, make_version
from tests.inference.test_render import PROMPTS
from tests.registry.brokers import wait_for

pytestmark = [pytest.mark.database]


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """`manage.py render_worker` on this test's database and storage; its words go to a file."""
    found = connection.get_connection_params()
    address = f"postgresql://{found['user']}@/{found['dbname']}?host={quote(str(found['host']), safe='')}"
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "manage.py", "render_worker", *arguments],
            cwd=django_settings.BASE_DIR,
            env=os.environ
            | {
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "DATABASE_URL": address,
                "BLOBS_DIR": django_settings.STORAGES["blobs"]["OPTIONS"]["location"],
                "INFERENCE_THREADS": "1",
            },
            stdout=log,
            stderr=log,
        )


def log_of(folder: Path) -> str:
    return (folder / "worker.log").read_text(errors="replace")[-3000:]


@pytest.fixture
def blobs(settings: Any, tmp_path: Path) -> None:
    """A storage of its own, which another process can be told of."""
    stored = {name: dict(value) for name, value in settings.STORAGES.items()}
    stored["blobs"]["OPTIONS"] = {"location": str(tmp_path / "blobs")}
    settings.STORAGES = stored


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_after_some_batches_leaves_them_and_the_next_goes_on_with_the_rest(
    tiny_base: Path, tmp_path: Path, blobs: None
) -> None:
    make_base(tiny_base)
    sheet = request_sheet(version=make_version(trigger_words=["momo"]))
    doomed = start(tmp_path, "--device", "0")
    try:
        wait_for(lambda: sheet.places.count() >= 8 or doomed.poll() is not None, 120)
    finally:
        doomed.send_signal(signal.SIGKILL)
        doomed.wait(timeout=30)
    sheet.refresh_from_db()
    done = sheet.places.count()
    assert 8 <= done < 48 and done % 4 == 0, log_of(tmp_path)
    assert sheet.state == SheetState.RENDERING
    kept = set(Cell.objects.values_list("pk", "created"))
    # A batch may be stored and not yet be on the sheet.
    assert done <= len(kept) <= done + 4

    assert jobs.reap() == 1
    following = start(tmp_path, "--once")
    assert following.wait(timeout=180) == 0, log_of(tmp_path)
    sheet.refresh_from_db()
    assert (sheet.state, sheet.places.count()) == (SheetState.DONE, 48)
    # Nothing that was there was made again: the second one began with the batch after.
    assert kept <= set(Cell.objects.values_list("pk", "created"))
    assert Cell.objects.count() == 48
    assert sheet.manifest["control"]["equal"]
    job = Job.objects.get()
    assert (job.state, job.attempt, job.progress_done) == (JobState.DONE, 2, 48)


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_keeper_of_workers_starts_a_killed_one_again_and_ends_with_all_of_them(
    tiny_base: Path, tmp_path: Path, blobs: None
) -> None:
    make_base(tiny_base)
    keeper = start(tmp_path)
    try:
        sheet = request_sheet(version=make_version(trigger_words=["momo"]))
        wait_for(lambda: sheet.places.exists(), 180, lambda: log_of(tmp_path))
        first = Job.objects.get().worker.rsplit(":", 3)[1]
        os.kill(int(first), signal.SIGKILL)
        wait_for(lambda: jobs.reap() == 1, 30)
        wait_for(lambda: Job.objects.get().state == JobState.DONE, 180, lambda: log_of(tmp_path))
    finally:
        keeper.send_signal(signal.SIGTERM)
        assert keeper.wait(timeout=60) == 0
    assert Sheet.objects.get().state == SheetState.DONE
    assert "ended: -9" in log_of(tmp_path)


@pytest.mark.django_db
def test_a_worker_whose_card_is_broken_ends_so_that_another_process_takes_its_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs.enqueue("tests.any", "1", queue="gpu")
    jobs.enqueue("tests.any", "2", queue="gpu")

    def breaks(job: Job, stopping: Any) -> None:
        message = "RuntimeError: CUDA error: an illegal memory access was encountered"
        Job.objects.filter(pk=job.pk).update(
            state=JobState.QUEUED, worker="", lease_until=None, error_code="internal_error",
            error_message=message, not_before=timezone.now(),
        )  # fmt: skip
        job.refresh_from_db()

    monkeypatch.setattr(jobs, "run", breaks)
    with pytest.raises(DeviceBroken, match="illegal memory access"):
        serve("gpu", threading.Event(), once=True)
    assert Job.objects.filter(attempt=0).count() == 1


@pytest.mark.engine
@pytest.mark.django_db
def test_two_bases_of_one_family_are_loaded_once_each_however_their_jobs_alternate(
    tiny_base: Path, tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INFERENCE_THREADS = 1
    # Room for the newest one only.
    monkeypatch.setattr(warm_bases, "memory_for_bases", lambda: 1)
    monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(16, 2, 3.0, PROMPTS))
    shutil.copytree(tiny_base, tmp_path / "other")
    (tmp_path / "other" / "notes.txt").write_text("another base")
    bases = [make_base(tiny_base), make_base(tmp_path / "other", slug="other")]
    loaded: list[str] = []

    def load(files: BaseFiles, offload: bool) -> Any:
        loaded.append(files.digest)
        return warm_bases._load(files, offload)

    monkeypatch.setattr(warm_bases, "_warm", WarmBases(load))
    for number in range(4):
        version = make_version(kohya_lora(seed=90 + number), name=f"a{number}", trigger_words=["momo"])
        request_sheet(version=version, recipe="quick", base=bases[number % 2])
    assert serve("gpu", threading.Event(), once=True) == 4
    assert Sheet.objects.filter(state=SheetState.DONE).count() == 4
    assert len(loaded) == len(set(loaded)) == 2


@pytest.mark.django_db
def test_an_empty_queue_ends_a_worker_that_was_asked_to_work_once() -> None:
    assert serve("gpu", threading.Event(), once=True) == 0


@pytest.mark.parametrize(("visible", "card"), [("", "1"), ("2,5", "5"), (" GPU-a , GPU-b", "GPU-b")])
def test_each_worker_gets_one_of_the_cards_that_the_keeper_may_use(
    monkeypatch: pytest.MonkeyPatch, visible: str, card: str
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert card_of(1) == card


@pytest.mark.engine
@pytest.mark.django_db
def test_check_tells_devices_libraries_bases_and_measured_seconds(
    tiny_base: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INFERENCE_THREADS = 1
    monkeypatch.setitem(library.FAMILIES, "toybox", library.Native(16, 2, 3.0, PROMPTS))
    make_base(tiny_base)
    make_base("not/here", slug="elsewhere", family="sd1")
    out = io.StringIO()
    try:
        call_command("render_worker", "--check", "--json", stdout=out)
    finally:
        forget_engine()
    told = json.loads(out.getvalue())
    assert told["can_render"] and told["reasons"] == []
    assert told["devices"][0]["memory"] > 1 << 20 and told["libraries"]["torch"]
    bases = {base["slug"]: base for base in told["bases"]}
    assert not bases["elsewhere"]["found"] and "not on this machine" in bases["elsewhere"]["reason"]
    speed = bases["toybox-v1"]["speed"]
    assert min(speed["load"], speed["image"], speed["patch"]) > 0
    assert (speed["pictures"], speed["steps"]) == (4, 2)
    assert speed["layers"] > 8


@pytest.mark.django_db
def test_check_says_why_a_machine_cannot_render(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inference.readiness.probe_devices", lambda: {"devices": [], "libraries": {}})
    out = io.StringIO()
    with pytest.raises(CannotRender, match="No base model has its weights"):
        call_command("render_worker", "--check", stdout=out)
    assert "cannot render" in out.getvalue()


@pytest.mark.django_db
def test_a_machine_with_nothing_to_render_on_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = subprocess.CompletedProcess([], 0, '{"devices": [], "libraries": {}}', "")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: nothing)
    with pytest.raises(CannotRender, match="nothing to render on"):
        call_command("render_worker", stdout=io.StringIO(), stderr=io.StringIO())
    with pytest.raises(ValueError, match="without a device"):
        Supervisor("gpu", 0)


@pytest.mark.django_db
def test_check_without_torch_says_so_in_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\")\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(CannotRender, match="No module named 'torch'"):
        call_command("render_worker", "--check", stdout=io.StringIO())
    with pytest.raises(CannotRender, match="does not start"):
        call_command("render_worker", stdout=io.StringIO(), stderr=io.StringIO())
