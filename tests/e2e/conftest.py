"""A real Chromium before a live server; anything the browser complains of fails the test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.conftest import need_program

# Debian's Chromium in a container: no user namespaces, a small /dev/shm, no graphics card.
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; nothing is downloaded."""
    program = need_program("chromium", "chromium-browser", "google-chrome")
    with sync_playwright() as playwright, pytest.MonkeyPatch.context() as patch:
        # Playwright runs an event loop in this thread until it ends; Django takes that for async code.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def context(browser: Browser, live_server: LiveServer) -> Iterator[BrowserContext]:
    """A fresh reader of the English site on a desktop screen."""
    context = browser.new_context(
        base_url=live_server.url,
        viewport={"width": 1280, "height": 800},
        locale="en-US",
        reduced_motion="reduce",
    )
    context.set_default_timeout(20_000)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """A tab; an error on its console, an exception in a script or a failed request fails the test."""
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda said: problems.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    # Leaving a page aborts what it was still loading; that is no failure.
    page.on(
        "requestfailed",
        lambda asked: (
            problems.append(f"{asked.failure} {asked.url}") if asked.failure != "net::ERR_ABORTED" else None
        ),
    )
    yield page
    assert problems == []
