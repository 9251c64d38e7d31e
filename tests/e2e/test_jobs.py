"""A person adds an adapter from an address and watches, pauses and resumes the work; also without scripts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from registry import jobs
from registry.models import Job, JobState, Transfer
from tests.catalog.pages.rows import make_reviewer
from tests.registry.sources.hub_fixture import CARD, hub
from tests.registry.weight_files import write_lora
from tests.upstreams.hub import HubServer

__all__ = ["hub"]

pytestmark = [pytest.mark.browser, pytest.mark.database]


@pytest.fixture(autouse=True)
def desk(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reviewer, and no broker."""
    monkeypatch.setattr(jobs, "wake", lambda queue, **_: None)
    make_reviewer()


def _sign_in(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_label("Username").fill("reviewer")
    page.get_by_label("Password").fill("a long enough one")
    page.keyboard.press("Enter")


def _running(done: int, total: int = 100 * 2**20) -> tuple[Job, Transfer]:
    now = timezone.now()
    job = Job.objects.create(
        kind="registry.fetch",
        key="offer:1",
        state=JobState.RUNNING,
        worker="w",
        started=now,
        lease_until=now + timedelta(minutes=5),
    )
    # From a moment to come: a slow test machine does not make the file look stuck.
    soon = now + timedelta(minutes=5)
    return job, Transfer.objects.create(
        job=job, name="ink.safetensors", done=done, total=total, speed=5 * 2**20, updated=soon
    )


def test_the_tray_follows_a_file_and_pauses_it(page: Page) -> None:
    job, transfer = _running(25 * 2**20)
    _sign_in(page, "/review/")
    opener = page.get_by_role("button", name="Jobs")
    expect(page.locator(".tray__count")).to_have_text("1")
    opener.click()
    tray = page.locator(".tray__sheet")
    expect(tray).to_contain_text("25.0 MB of 100.0 MB")
    expect(tray).to_contain_text("5.0 MB/s")
    expect(tray).to_contain_text("15 s left")

    # The bar moves by itself, and the button under the reader's fingers keeps the focus.
    pause = tray.get_by_role("button", name="Pause")
    pause.focus()
    Transfer.objects.filter(pk=transfer.pk).update(done=75 * 2**20)
    expect(tray).to_contain_text("75.0 MB of 100.0 MB")
    expect(tray.get_by_role("button", name="Pause")).to_be_focused()

    address = page.url
    page.keyboard.press("Enter")
    expect(tray).to_contain_text("Pausing")
    job.refresh_from_db()
    assert job.pause_requested
    assert page.url == address

    page.keyboard.press("Escape")
    expect(tray).to_be_hidden()
    expect(opener).to_be_focused()


def test_the_page_shows_the_end_of_a_job_without_loading_again(page: Page) -> None:
    job, _ = _running(25 * 2**20)
    _sign_in(page, "/jobs/")
    live = page.locator("#jobs")
    expect(live).to_contain_text("25 %")
    page.evaluate("window.untouched = true")
    Job.objects.filter(pk=job.pk).update(
        state=JobState.FAILED,
        worker="",
        lease_until=None,
        finished=timezone.now(),
        error_code="upstream_unavailable",
        error_message="The line is down.",
    )
    expect(live).to_contain_text("The line is down.")
    expect(page.locator("#said")).to_contain_text("1 failed")
    live.get_by_role("button", name="Try 1 again").click()
    expect(live).to_contain_text("Waits for a worker")
    assert page.evaluate("window.untouched") is True


def test_an_address_is_looked_at_then_taken_in(page: Page, hub: HubServer, tmp_path: Path) -> None:
    hub.add("mika/ink", {"README.md": CARD, "ink.safetensors": write_lora(tmp_path / "ink.safetensors")})
    _sign_in(page, "/add/")
    page.get_by_label("Address").fill("hf:mika/ink")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="What it would bring")).to_be_visible()
    expect(page.locator(".brought__files")).to_contain_text("ink.safetensors")
    assert not Job.objects.exists()
    page.get_by_role("button", name="Take it in").click()
    expect(page.locator("#jobs")).to_contain_text("hf:mika/ink")
    assert Job.objects.get().payload["source"] == "hf:mika/ink"


def test_jobs_need_no_script(browser: Browser, live_server: LiveServer) -> None:
    job, _ = _running(25 * 2**20)
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False, locale="en-US")
    page = context.new_page()
    _sign_in(page, "/review/")
    page.get_by_role("link", name="Jobs").click()
    expect(page.locator("#jobs")).to_contain_text("25.0 MB of 100.0 MB")
    page.locator("#jobs").get_by_role("button", name="Pause").click()
    expect(page.locator("#jobs")).to_contain_text("Pausing")
    job.refresh_from_db()
    assert job.pause_requested
    context.close()


@pytest.mark.parametrize("address", ["/jobs/", "/add/", "/subscriptions/", "/updates/"])
def test_no_page_is_wider_than_a_phone(context: BrowserContext, address: str) -> None:
    _running(25 * 2**20)
    page = context.new_page()
    page.set_viewport_size({"width": 360, "height": 800})
    _sign_in(page, address)
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
