"""A reader finds an adapter by what may be done with it, and compares its pictures with keys only."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from registry.models import Version
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, make_adapter

pytestmark = [pytest.mark.browser, pytest.mark.database]


@pytest.fixture
def shelf(transactional_db: None) -> Version:
    """Three adapters: one free to sell with, one not, one for another base."""
    first = make_adapter("Ink Lines", flags=OPEN_FLAGS)
    make_adapter("Gold Leaf", flags=CLOSED_FLAGS)
    make_adapter("Old Paper", base="sd-1-5", flags=OPEN_FLAGS)
    return first


def overflow(page: Page) -> int:
    """By how many pixels the page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


def loaded_pictures(page: Page) -> bool:
    return bool(
        page.evaluate("[...document.images].every(image => !image.complete || image.naturalWidth > 0)")
    )


def test_from_the_question_to_the_compare_stage(page: Page, context: BrowserContext, shelf: Version) -> None:
    page.goto("/")
    page.get_by_label("What you want to do").select_option("generate_and_sell_images")
    page.get_by_role("button", name="Find adapters").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("3 adapters")

    # The search field of the header belongs to the filters here; what is typed is searched for.
    search = page.get_by_role("searchbox", name="Search adapters, or paste a hash")
    page.wait_for_load_state("load")
    page.keyboard.press("/")
    expect(search).to_be_focused()
    page.keyboard.type("paper")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 adapter")
    expect(page.locator("#said")).to_have_text("1 adapter")
    search.fill("")
    expect(page.get_by_role("heading", level=1)).to_have_text("3 adapters")

    # Filters narrow in place and end up in the address.
    page.locator("label.outcome", has_text="Allowed").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 adapters")
    page.locator("label.tick", has_text="SDXL 1.0").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("1 adapter")
    assert "base=sdxl-1-0" in page.url
    assert "outcome=allowed" in page.url
    assert loaded_pictures(page)

    page.get_by_role("link", name="Ink Lines", exact=True).click()
    expect(page.locator("#verdict")).to_contain_text("Every layer of terms allows this.")
    page.get_by_label("May I …").select_option("run_as_paid_service")
    expect(page.locator("#verdict .hint").first).to_contain_text("Let others generate")
    page.locator("#rights .cell").first.click()
    expect(page.locator(".pop:popover-open")).to_contain_text("Clause")
    page.keyboard.press("Escape")

    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the prompt tag").click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "<lora:ink_lines:0.8> inkline"

    page.get_by_role("link", name="Open the sheet").click()
    page.locator("#stage[data-ready]").wait_for(state="attached")
    page.locator("#cell-2-4").focus()
    page.keyboard.press("Enter")
    slider = page.get_by_role("slider")
    expect(slider).to_be_focused()
    expect(slider).to_have_attribute("aria-valuetext", "50 % Base, 50 % 0.8")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuenow", "60")
    page.keyboard.press("Home")
    expect(slider).to_have_attribute("aria-valuenow", "0")
    page.keyboard.press("c")
    expect(slider).to_have_attribute("aria-valuetext", "0 % 0.8, 100 % Base")
    page.keyboard.press("m")
    expect(page.locator("#stage")).to_have_attribute("data-mode", "side")
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-show=seed]")).to_have_text("23")
    workflow = page.get_by_role("link", name="ComfyUI")
    expect(workflow).to_have_attribute("href", re.compile(r"^/api/v1/sheets/\d+/cells/3/4/\?to=comfyui$"))
    page.keyboard.press("?")
    expect(page.locator("#keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.locator("#stage")).not_to_be_visible()


def test_nothing_is_wider_than_a_small_telephone(page: Page, shelf: Version) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    own = [f"/adapters/{shelf.adapter_id}/", f"/sheets/{shelf.sheets.get().pk}/"]
    for address in ["/", "/browse/?act=generate_and_sell_images", "/browse/?view=table", *own, "/licenses/"]:
        page.goto(address)
        assert overflow(page) == 0, address


def test_dark_and_japanese_are_remembered(page: Page, shelf: Version) -> None:
    page.goto("/browse/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_label("Theme, language, account").click()
    page.get_by_role("button", name="Dark").click()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.get_by_label("Theme, language, account").click()
    page.get_by_role("button", name="日本語").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("アダプター 3 件")
    page.goto("/")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    expect(page.get_by_role("heading", name="最近の審査済み")).to_be_visible()
    assert overflow(page) == 0


def test_the_sheet_can_be_read_without_script(
    browser: Browser, live_server: LiveServer, shelf: Version
) -> None:
    plain = browser.new_context(java_script_enabled=False, base_url=live_server.url)
    page = plain.new_page()
    page.goto(f"/sheets/{shelf.sheets.get().pk}/")
    expect(page.locator("#sheet img")).to_have_count(48)
    page.locator("#cell-0-0").click()
    assert "/cells/" in page.url
    plain.close()
