"""A reader puts a stack together, finds what stands in the way, replaces it, and takes the texts along."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from registry.models import Version
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter
from tests.e2e.test_reading import overflow

pytestmark = [pytest.mark.browser, pytest.mark.database]


@pytest.fixture
def shelf(transactional_db: None) -> list[Version]:
    """One that wants credit, one that may not be sold with, and one like it that may."""
    ink = make_adapter("Ink Lines", flags={**OPEN_FLAGS, "allowNoCredit": False}, tags=("style",))
    gold = make_adapter("Gold Leaf", flags=CLOSED_FLAGS, tags=("style", "gold"))
    gilt = make_adapter("Gilt", flags=OPEN_FLAGS, tags=("style", "gold"))
    return [ink, gold, gilt]


def test_from_a_card_to_a_cleared_stack_with_its_credit(
    page: Page, context: BrowserContext, shelf: list[Version]
) -> None:
    page.goto("/browse/?act=generate_and_sell_images")
    page.get_by_role("link", name="Add to plan Ink Lines").click()
    expect(page.locator("#plan-verdict")).to_contain_text("With conditions")

    # The search offers what the words find; one click adds it to the stack.
    page.get_by_label("Add an adapter").get_by_role("searchbox").press_sequentially("gold")
    page.get_by_role("link", name="Add Gold Leaf").click()
    expect(page.locator("#plan-verdict")).to_contain_text("Not allowed")
    expect(page.locator("#plan-helps")).to_contain_text("Instead of Gold Leaf v1.0")

    page.get_by_role("link", name="Use it Gilt").click()
    expect(page.locator("#plan-verdict")).to_contain_text("With conditions")
    expect(page.locator("#plan-helps")).to_have_count(0)

    # A weight is part of the plan, of its address and of the credit.
    weight = page.get_by_label("Weight of Ink Lines v1.0")
    weight.fill("0.8")
    weight.press("Tab")
    expect(page.locator("#credit-web")).to_contain_text("used at 0.8")
    assert f"weight-{shelf[0].pk}=0.8" in page.url

    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_text("Print imprint").click()
    page.locator(".tab-print").get_by_role("button", name="Copy the text").click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert "Ink Lines v1.0" in page.evaluate("navigator.clipboard.readText()")

    with page.expect_download() as saved:
        page.get_by_role("link", name="NOTICE bundle").click()
    assert saved.value.suggested_filename == "notice.zip"

    page.get_by_role("button", name="Leave out Gilt v1.0").click()
    expect(page.get_by_role("button", name="Leave out Gilt v1.0")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"^(?!.*drop=).*$"))


def test_a_plan_needs_no_script(browser: Browser, live_server: LiveServer, shelf: list[Version]) -> None:
    plain = browser.new_context(java_script_enabled=False, base_url=live_server.url, locale="en-US")
    page = plain.new_page()
    page.goto(f"/plan/?add={shelf[0].pk}")
    page.get_by_label("Add an adapter").get_by_role("searchbox").fill("gold")
    page.get_by_role("button", name="Search", exact=True).click()
    page.get_by_role("link", name="Add Gold Leaf").click()
    expect(page.locator("#plan-verdict")).to_contain_text("Not allowed")
    page.get_by_label("May I …").select_option("use_privately")
    page.get_by_role("button", name="Update").click()
    expect(page.locator("#plan-verdict")).not_to_contain_text("Not allowed")
    page.get_by_role("button", name="Leave out Gold Leaf").click()
    expect(page.locator(".stacked__one")).to_have_count(1)
    plain.close()


def test_a_plan_fits_a_small_telephone(page: Page, shelf: list[Version]) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    stack = "".join(f"&adapter={version.pk}" for version in shelf[:2])
    for address in ["/plan/", f"/plan/?act=generate_and_sell_images{stack}"]:
        page.goto(address)
        assert overflow(page) == 0, address
