"""A reader follows a verdict to its reasons, its evidence and its license, and files it, without script."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

import pytest
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from registry.models import Version
from tests.catalog.pages.rows import make_adapter, make_base

pytestmark = [pytest.mark.browser, pytest.mark.database]

STABILITY = "stability-ai-community-2024"


@pytest.fixture
def stated(transactional_db: None) -> Version:
    """An adapter for FLUX.1 [dev] whose author states a license with a revenue limit."""
    make_base("flux-1-schnell")
    return make_adapter("Rain Street", base="flux-1-dev", license_id=STABILITY, sheet=False)


@pytest.fixture
def plain(browser: Browser, live_server: LiveServer) -> Iterator[Page]:
    """A reader whose browser runs no script."""
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False, locale="en-US")
    yield context.new_page()
    context.close()


def test_from_the_adapter_to_the_answer_under_another_fact(page: Page, stated: Version) -> None:
    page.goto(f"/adapters/{stated.adapter_id}/")
    page.get_by_label("May I …").select_option("redistribute_adapter")
    explained = page.get_by_role("link", name="The whole explanation")
    expect(explained).to_have_attribute("href", re.compile("act=redistribute_adapter"))
    explained.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Redistribute the adapter")
    page.get_by_role("link", name="If the use has a commercial purpose").click()
    expect(page.locator(".verdict-box .verdict")).to_have_text("Not allowed")
    expect(page.locator(".record")).to_contain_text("The use has a commercial purpose: yes")


def test_from_the_ledger_to_the_bytes_and_the_clause(plain: Page, stated: Version) -> None:
    plain.goto(f"/verdict/?version={stated.pk}&act=sell_adapter")
    ledger = plain.locator(".ledger")
    ledger.get_by_role("link", name="file:card.json").click()
    expect(plain.locator("pre.bytes")).to_have_text(f"'{STABILITY}'")
    plain.go_back()
    ledger.get_by_role("link", name="Stability AI Community License Agreement").click()
    expect(plain.locator("#act-sell_adapter")).to_contain_text("US$1,000,000")


def test_another_base_is_asked_for_with_one_click(plain: Page, stated: Version) -> None:
    plain.goto(f"/verdict/?version={stated.pk}&act=run_as_paid_service")
    expect(plain.locator(".verdict-box .verdict")).to_have_text("Not allowed")
    plain.get_by_role("link", name="FLUX.1 [schnell] instead").click()
    expect(plain.locator(".verdict-box .verdict")).to_have_text("With conditions")
    plain.get_by_role("link", name="Ask for its own base").click()
    expect(plain.locator(".verdict-box .verdict")).to_have_text("Not allowed")


def test_the_question_is_changed_by_a_plain_form(plain: Page, stated: Version) -> None:
    plain.goto(f"/verdict/?version={stated.pk}&act=sell_adapter")
    plain.get_by_text("Change the question").click()
    plain.get_by_label("May I …").select_option("use_privately")
    plain.get_by_label("Commercial purpose").select_option("false")
    plain.get_by_role("button", name="Ask").click()
    expect(plain.get_by_role("heading", level=1)).to_have_text("Use privately")
    expect(plain.locator(".record")).to_contain_text("The use has a commercial purpose: no")


def test_a_license_is_found_and_compared(plain: Page, transactional_db: None) -> None:
    plain.goto("/licenses/")
    plain.get_by_label("May I …").select_option("run_as_paid_service")
    plain.get_by_role("button", name="Find").click()
    plain.get_by_role("checkbox", name="Not allowed").check(force=True)
    plain.get_by_role("button", name="Find").click()
    expect(plain.get_by_role("link", name="FLUX.1 [dev] Non-Commercial License v1.1.1")).to_be_visible()
    expect(plain.get_by_role("link", name="MIT License")).to_have_count(0)
    plain.locator("#pair-a").select_option("MIT")
    plain.locator("#pair-b").select_option("CC0-1.0")
    plain.get_by_role("button", name="Compare").click()
    expect(plain.locator(".lead")).to_contain_text("looser")


def test_paper_has_the_record_and_no_controls(plain: Page, stated: Version) -> None:
    plain.goto(f"/verdict/?version={stated.pk}&act=sell_adapter")
    plain.emulate_media(media="print")
    expect(plain.get_by_text("Change the question")).to_be_hidden()
    expect(plain.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(plain.get_by_text("Digest of this verdict")).to_be_visible()
    expect(plain.get_by_text("not legal advice").first).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en-US", "ja-JP"])
def test_nothing_runs_over_the_edge_of_a_phone(
    browser: Browser,
    live_server: LiveServer,
    stated: Version,
    theme: Literal["light", "dark"],
    language: str,
) -> None:
    context = browser.new_context(
        base_url=live_server.url, viewport={"width": 360, "height": 800}, color_scheme=theme, locale=language
    )
    page = context.new_page()
    snapshot = stated.claims.get().snapshot_id
    for address in (
        f"/verdict/?version={stated.pk}&act=run_as_paid_service",
        f"/licenses/{STABILITY}/",
        "/licenses/flux-1-dev-nc-1.1.1/",
        f"/licenses/compare/?a={STABILITY}&b=flux-1-dev-nc-1.1.1",
        "/licenses/?act=sell_adapter",
        f"/evidence/{snapshot}/",
    ):
        page.goto(address)
        for details in page.locator("details").all():
            details.evaluate("element => element.open = true")
        # The menu lies over the page on purpose.
        page.locator(".menu").evaluate("element => element.open = false")
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide == 0, address
    context.close()
