"""A reader looks into the weights with keys only, copies what to try, and compares versions in place."""

from __future__ import annotations

from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pytest_django.live_server_helper import LiveServer

from registry.models import AnalysisState, ClaimKind, Kinship, Relation, Version, VersionDiff
from registry.verdicts import profile_of
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, claim, make_adapter, make_analysis, make_file
from tests.catalog.pages.test_versions import WEIGHTS

pytestmark = [pytest.mark.browser, pytest.mark.database]


@pytest.fixture
def shown(transactional_db: None) -> Version:
    """An adapter with two versions, measured and compared, and a copy of it by somebody else."""
    old = make_adapter("Ink Lines", flags=OPEN_FLAGS)
    new = Version.objects.create(
        adapter=old.adapter,
        source_key="2",
        name="v2.0",
        base_declared=old.base_declared,
        detected_family=old.detected_family,
    )
    blob = make_file(new, "Ink Lines 2")
    claim(new, ClaimKind.CIVITAI_FLAGS, CLOSED_FLAGS, url="file:two.json")
    new.terms_profile = profile_of(new)
    new.save()
    make_analysis(blob)
    VersionDiff.objects.create(
        old=old.files.get().blob, new=blob, edition="1", state=AnalysisState.DONE, data=WEIGHTS
    )
    twin = make_adapter("Borrowed", flags=OPEN_FLAGS, creator="sora").files.get().blob
    for one, other in ((blob, twin), (twin, blob)):
        Kinship.objects.create(blob=one, other=other, relation=Relation.RE_UPLOAD, cosine=0.97, share=0.9)
    return new


def address(version: Version) -> str:
    return f"/adapters/{version.adapter_id}/?version={version.pk}"


def test_blocks_are_read_with_the_arrow_keys(page: Page, shown: Version) -> None:
    page.goto(address(shown))
    strongest = page.get_by_role("radio", name="OUT03")
    expect(strongest).to_be_checked()
    strongest.focus()
    page.keyboard.press("ArrowRight")
    after = page.get_by_role("radio", name="OUT05")
    expect(after).to_be_checked()
    tip = page.locator(".bar:has(:checked) .bar__tip")
    expect(tip).to_have_css("opacity", "1")
    expect(tip).to_contain_text("30")
    expect(page.locator(".bar__tip").nth(0)).to_have_css("opacity", "0")


def test_a_preset_is_copied_with_one_click(page: Page, context: BrowserContext, shown: Version) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(address(shown))
    page.get_by_role("button", name="Copy the tag: Calmer faces").click()
    expect(page.locator("#said")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == "<lora:ink_lines_2:1:lbw=1,0.3,1>"


def test_another_version_is_compared_in_place(page: Page, shown: Version) -> None:
    third = Version.objects.create(
        adapter=shown.adapter, source_key="3", name="v3.0", detected_family=shown.detected_family
    )
    third.terms_profile = profile_of(third)
    third.save()
    page.goto(address(shown))
    expect(page.locator(".compare__title")).to_contain_text("v1.0")
    page.get_by_label("Compare v2.0 with").select_option("v3.0")
    expect(page.locator(".compare__title")).to_contain_text("v3.0")
    assert f"compare={third.pk}" in page.url
    page.go_back()
    expect(page.locator(".compare__title")).to_contain_text("v1.0")


def test_the_chosen_act_is_answered_for_the_kin_as_well(page: Page, shown: Version) -> None:
    page.goto(address(shown))
    page.get_by_label("May I …").select_option("run_as_paid_service")
    expect(page.locator("#similar .kin__verdict")).to_contain_text("Run a paid service")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_runs_over_the_edge_of_a_phone(
    browser: Browser, live_server: LiveServer, shown: Version, theme: Literal["light", "dark"]
) -> None:
    context = browser.new_context(
        base_url=live_server.url, viewport={"width": 360, "height": 800}, color_scheme=theme
    )
    page = context.new_page()
    page.goto(address(shown))
    for details in page.locator("#weights details, #training details, #versions details").all():
        details.evaluate("element => element.open = true")
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0
    context.close()


def test_without_script_everything_is_there(
    browser: Browser, live_server: LiveServer, shown: Version
) -> None:
    context = browser.new_context(base_url=live_server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto(address(shown))
    page.locator(".bar").nth(0).click()
    expect(page.locator(".bar__tip").nth(0)).to_have_css("opacity", "1")
    page.get_by_label("Compare v2.0 with").select_option("v1.0")
    page.get_by_role("button", name="Compare", exact=True).click()
    expect(page.locator(".compare__title")).to_contain_text("v1.0")
    context.close()
