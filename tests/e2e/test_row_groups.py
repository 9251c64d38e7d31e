"""A sheet whose rows stand in groups: read under its captions, and walked through as one table."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.catalog.pages.rows import OPEN_FLAGS, make_adapter
from tests.catalog.pages.test_sheet import render

pytestmark = [pytest.mark.browser, pytest.mark.database, pytest.mark.django_db(transaction=True)]


def test_captions_stand_over_their_rows_and_the_viewer_walks_past_them(page: Page) -> None:
    sheet = render(make_adapter("Ink Lines", flags=OPEN_FLAGS), "overfit")
    page.goto(f"/sheets/{sheet.pk}/")
    captions = page.locator(".sheet__rows th")
    expect(captions).to_have_text(
        [
            "One scene at several seeds",
            "Other scenes at one seed",
            "The same without the trigger words",
            "Neutral prompts",
        ]
    )
    # The last row of the first group, then one down: the first of the next.
    page.locator("#cell-3-0").focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.id") == "cell-4-0"
    page.locator("#cell-15-2").click()
    expect(page.locator("dialog.stage, .stage").first).to_contain_text("a red house on a teal background")
