"""From a Civitai page's data to a defended verdict with credit text, in one browser tab."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect
from pytest_django import Settings

from registry.models import AuthorQuestion, ReviewItem, Version, Vetting
from registry.seed import seed
from registry.services import ingest
from registry.verdicts import verdict_for
from tests.catalog.pages.rows import make_reviewer
from tests.registry.weight_files import civitai_info, write_json, write_lora

pytestmark = [pytest.mark.browser, pytest.mark.database]

SERVICE = "run_as_paid_service"
TABLE = """このモデルは次のことを許可します
○ クレジットを入れずに使用する
○ 生成した画像を販売する
× 有料の画像生成サービスで使用する
○ マージしたモデルを共有する
"""


@pytest.fixture
def version(transactional_db: None, tmp_path: Path, settings: Settings) -> Version:
    """An adapter as its sidecar tells it: images may be sold with credit, nothing else for money."""
    stores = {name: dict(store) for name, store in settings.STORAGES.items()}
    stores["blobs"] = {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": tmp_path / "blobs"},
    }
    settings.STORAGES = stores
    seed()
    make_reviewer()
    shelf = tmp_path / "shelf"
    write_lora(shelf / "ink.safetensors")
    info = civitai_info(706978, 1050496)
    info["model"] |= {"allowNoCredit": False, "allowCommercialUse": ["Image"], "allowDifferentLicense": False}
    write_json(shelf / "ink.civitai.info", info)
    assert ingest(str(shelf)).failed == []
    return Version.objects.get()


def sign_in(page: Page) -> None:
    page.goto("/review/")
    page.get_by_label("Username").fill("reviewer")
    page.get_by_label("Password").fill("a long enough one")
    page.keyboard.press("Enter")
    expect(page.locator("#review-title")).to_contain_text("Ink wash")
    page.wait_for_load_state("load")


def item(page: Page, key: str) -> Locator:
    return page.locator(f"#item-{key}")


def test_a_reviewer_defends_a_verdict_without_leaving_the_page(page: Page, version: Version) -> None:
    sign_in(page)
    page.evaluate("window.untouched = true")
    service = page.locator("aside li", has_text="Run a paid service")
    expect(service).to_contain_text("Not allowed")
    expect(item(page, "sell_images")).to_contain_text("Give credit")
    expect(item(page, "paid_service")).to_contain_text("Not allowed")

    # The keys are told, and lead to the places.
    page.keyboard.press("?")
    expect(page.locator("#review-keys")).to_be_visible()
    page.keyboard.press("Escape")

    # The author's table from another site: first what it is understood as, then as evidence.
    page.keyboard.press("t")
    page.get_by_label("The text").fill(TABLE)
    page.get_by_label("Where it was copied from").fill("https://huggingface.co/mika/ink")
    page.get_by_role("button", name="Show what is understood").click()
    expect(page.locator(".understood")).to_contain_text("sell images")
    expect(page.locator(".understood")).to_contain_text("Not understood")
    page.get_by_role("button", name="Keep as evidence").click()
    expect(page.locator("#items .message")).to_contain_text("Kept as evidence")

    # The table refuses paid services, so the author is asked about them, in Japanese.
    item(page, "paid_service").get_by_role("link", name="Ask").click()
    drawer = page.locator("#question-drawer")
    for box in drawer.locator("input[name=items]").all():
        box.set_checked(box.get_attribute("value") in ("paid_service", "credit"))
    drawer.get_by_role("button", name="Draft it").click()
    letter = page.locator("textarea.letter")
    expect(letter).to_contain_text("Hello mika")
    page.locator("button[data-language=ja]").click()
    expect(letter).to_contain_text("mika 様")
    letter.fill(letter.input_value() + "\n追伸: 急ぎません。")
    page.get_by_role("button", name="Mark as sent").click()
    expect(item(page, "paid_service")).to_contain_text("Asked")
    assert "追伸" in AuthorQuestion.objects.get().text

    # The reply: a message, who wrote it and how that is known; a yes with credit.
    page.get_by_text("Record an answer").click()
    page.get_by_label("Who answered").fill("mika")
    page.get_by_label("What shows it").fill("reply below the model")
    page.get_by_label("The message as it came").fill("OKです。クレジットをお願いします。")
    page.get_by_role("radiogroup", name="Run a paid service").get_by_label("yes").check()
    page.get_by_label("Credit wanted").select_option("yes")
    page.get_by_label("Wording of the credit").fill("Ink wash by mika")
    page.get_by_role("button", name="Record the answer").click()
    expect(item(page, "paid_service")).to_contain_text("Answered")
    expect(service).to_contain_text("With conditions")

    # One item is concluded by hand, from the sidecar.
    row = item(page, "sell_images")
    row.get_by_text("Conclude", exact=True).first.click()
    row.get_by_label("With conditions").check()
    row.get_by_text("Conditions", exact=True).click()
    row.get_by_label("Give credit").check()
    row.get_by_label("Reason").fill("stated on both pages")
    row.get_by_role("button", name="Conclude").click()
    expect(item(page, "sell_images")).to_contain_text("Concluded")
    expect(item(page, "sell_images")).to_contain_text("stated on both pages")

    # The credit that is asked for is ready to be copied, in the author's words.
    expect(page.locator("#credit-web")).to_contain_text("Ink wash by mika")

    page.locator("#reason").fill("permission on file")
    page.locator("#decision [data-key=a]").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nothing waits for review")
    assert page.evaluate("window.untouched") is True

    version.refresh_from_db()
    assert version.vetting == Vetting.APPROVED
    verdict = verdict_for(version, SERVICE, {})
    assert (verdict.outcome, "attribution" in verdict.conditions) == ("conditional", True)
    answered = [reason for reason in verdict.reasons if reason.layer == "evidence:1"]
    assert any("sha256:" in (reason.evidence or "") for reason in answered)
    states = dict(ReviewItem.objects.filter(version=version).values_list("key", "state"))
    assert (states["sell_images"], states["paid_service"]) == ("concluded", "answered")


def test_a_mistake_keeps_what_was_typed(context: BrowserContext, version: Version) -> None:
    # A tab of its own: the browser itself notes a refused form on its console.
    page = context.new_page()
    sign_in(page)
    row = item(page, "credit")
    row.get_by_text("Conclude", exact=True).first.click()
    row.get_by_label("required", exact=True).check()
    row.get_by_label("Links").fill("not-a-link")
    row.get_by_label("Reason").fill("on the page")
    with page.expect_response(lambda answer: answer.status == 422):
        row.get_by_role("button", name="Conclude").click()
    expect(item(page, "credit").get_by_role("alert")).to_contain_text("A link begins with")
    expect(item(page, "credit").get_by_label("Links")).to_have_value("not-a-link")
    assert not ReviewItem.objects.filter(state="concluded").exists()


@pytest.mark.parametrize("width", [1440, 360])
def test_nothing_is_wider_than_the_screen(page: Page, version: Version, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page)
    page.evaluate("document.querySelectorAll('#review details').forEach(each => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") == 0
