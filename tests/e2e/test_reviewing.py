"""A reviewer clears the queue by keys only, without a page change."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from registry.models import Version, Vetting
from tests.catalog.pages.rows import OPEN_FLAGS, make_adapter, make_reviewer

pytestmark = [pytest.mark.browser, pytest.mark.database]


@pytest.fixture
def waiting(transactional_db: None) -> list[Version]:
    make_reviewer()
    return [
        make_adapter(name, flags=OPEN_FLAGS, vetting=Vetting.WAITING) for name in ("First", "Second", "Third")
    ]


def test_approve_skip_and_reject_by_key(page: Page, waiting: list[Version]) -> None:
    page.goto("/review/")
    page.get_by_label("Username").fill("reviewer")
    page.get_by_label("Password").fill("a long enough one")
    page.keyboard.press("Enter")
    title = page.locator("#review-title")
    expect(title).to_contain_text("First")
    page.wait_for_load_state("load")
    page.evaluate("window.untouched = true")

    page.keyboard.press("a")
    expect(title).to_contain_text("Second")
    page.keyboard.press("n")
    expect(title).to_contain_text("Third")
    page.keyboard.press("p")
    expect(title).to_contain_text("Second")

    # A reason that says nothing does not leave the page.
    page.keyboard.press("r")
    page.keyboard.type("no")
    page.keyboard.press("Enter")
    expect(page.locator("#reason:invalid")).to_be_focused()
    page.locator("#reason").fill("shows a trademark")
    page.keyboard.press("Enter")
    expect(title).to_contain_text("Third")
    assert page.evaluate("window.untouched") is True
    assert page.url.endswith(f"/review/{waiting[2].pk}/")

    for version in waiting:
        version.refresh_from_db()
    assert [version.vetting for version in waiting] == [Vetting.APPROVED, Vetting.REJECTED, Vetting.WAITING]
    assert waiting[1].reviews.get().reason == "shows a trademark"

    # The compare stage works in what htmx brought, and its keys do not decide anything.
    page.locator("#cell-0-4").click()
    page.keyboard.press("a")
    page.keyboard.press("Escape")
    waiting[2].refresh_from_db()
    assert waiting[2].vetting == Vetting.WAITING
