"""Pasted terms: kept as evidence, read into claims, decided at once; or refused, with nothing stored."""

from __future__ import annotations

import hashlib

import pytest

from registry.claims import KINDS, BadPaste, PasteNotUnderstood, read_pasted, record_pasted
from registry.models import AuditEvent, Check, Snapshot, TermsClaim, Version
from registry.verdicts import verdict_for
from tests.factories import ALL_FLAGS, BaseModelFactory, ClaimFactory, LicenseFactory, VersionFactory

pytestmark = [pytest.mark.database, pytest.mark.django_db]

TABLE = (
    "○ クレジットを入れずに使用する\n× 生成した画像を販売する\n○ マージモデルを共有する\nよろしくお願いします"
)
SELL = "generate_and_sell_images"
URL = "https://huggingface.co/someone/lora"


@pytest.fixture
def version() -> Version:
    license_row = LicenseFactory(license_id="creativeml-openrail-m", name="RAIL-M")
    base = BaseModelFactory(slug="sd-1-5", name="SD 1.5", family="sd1", license=license_row)
    return VersionFactory(base_declared=base, detected_family="sd1")


def outcome(version: Version, act: str = SELL) -> str:
    return verdict_for(Version.objects.get(pk=version.pk), act, {}).outcome


def test_a_pasted_table_becomes_flags_with_its_evidence_and_the_verdict_follows(version: Version) -> None:
    assert outcome(version) == "unknown"
    (claim,) = record_pasted(version, "circle_table", TABLE, URL, "rina")
    assert (claim.kind, claim.standing) == ("civitai_flags", "declared")
    assert claim.unread == ["よろしくお願いします"]
    assert claim.snapshot is not None and bytes(claim.snapshot.body).decode() == TABLE
    assert claim.snapshot.sha256 == hashlib.sha256(TABLE.encode()).hexdigest()
    assert claim.snapshot.url.startswith(URL)
    event = AuditEvent.objects.get(action="paste_terms")
    assert (event.actor, event.data["sha256"]) == ("rina", claim.snapshot.sha256)
    assert outcome(version) == "forbidden"
    verdict = verdict_for(Version.objects.get(pk=version.pk), SELL, {})
    assert any(claim.snapshot.sha256 in reason.evidence for reason in verdict.reasons)


def test_an_unstated_use_stays_unknown_where_a_stated_one_is_decided(version: Version) -> None:
    record_pasted(version, "circle_table", TABLE, "", "rina")
    assert outcome(version, "run_as_paid_service") == "unknown"


def test_pasting_the_same_again_changes_nothing_and_another_text_supersedes_it(version: Version) -> None:
    first = record_pasted(version, "circle_table", TABLE, URL, "rina")
    again = record_pasted(version, "circle_table", TABLE, URL, "rina")
    assert [claim.pk for claim in first] == [claim.pk for claim in again]
    assert AuditEvent.objects.filter(action="paste_terms").count() == 1
    record_pasted(version, "circle_table", TABLE.replace("×", "○"), URL, "rina")
    assert [claim.superseded for claim in TermsClaim.objects.order_by("id")] == [True, False]
    assert Snapshot.objects.count() == 2 and outcome(version) != "forbidden"


def test_tables_of_two_pages_stand_side_by_side_and_the_stricter_binds(version: Version) -> None:
    record_pasted(version, "circle_table", TABLE.replace("×", "○"), URL, "rina")
    record_pasted(version, "circle_table", TABLE, "https://example.org/other", "rina")
    assert TermsClaim.objects.filter(superseded=False).count() == 2
    assert outcome(version) == "forbidden"


def test_a_pasted_card_gives_tag_and_words_and_their_conflict_holds_the_version(version: Version) -> None:
    card = "---\nlicense: apache-2.0\n---\n# Ink\nFor non-commercial use only.\n"
    claims = record_pasted(version, "card_text", card, URL, "rina")
    assert {claim.kind: claim.value is not None for claim in claims} == {"license": True, "text_terms": True}
    check = Check.objects.get(version=version, code="license_conflict")
    assert check.outcome == "fail" and "non-commercial" in check.summary
    assert outcome(version) == "forbidden"


def test_a_license_text_that_is_not_known_is_stated_and_keeps_the_version_unknown(version: Version) -> None:
    ClaimFactory(version=version, kind="civitai_flags", value=ALL_FLAGS)
    assert outcome(version) == "allowed"
    (claim,) = record_pasted(version, "license_text", "House rules\n\nAsk before you paint.", "", "rina")
    assert (claim.value, claim.standing) == (None, "detected") and claim.unread
    assert outcome(version) == "unknown"


def test_terms_of_a_service_are_evidence_and_no_terms_of_the_adapter(version: Version) -> None:
    ClaimFactory(version=version, kind="civitai_flags", value=ALL_FLAGS)
    (claim,) = record_pasted(
        version, "service_terms", "Terms of X\nNo commercial use.", "https://x.example/tos", "r"
    )
    assert claim.kind == "service_terms" and claim.value is None
    assert outcome(version) == "allowed"


def test_credit_that_the_author_demands_in_words_binds_beside_open_flags(version: Version) -> None:
    ClaimFactory(version=version, kind="civitai_flags", value=ALL_FLAGS)
    record_pasted(version, "card_text", "Please credit me when you post.", "", "rina")
    verdict = verdict_for(Version.objects.get(pk=version.pk), SELL, {})
    assert verdict.outcome == "conditional" and "attribution" in verdict.conditions


def test_a_demand_for_credit_alone_grants_nothing(version: Version) -> None:
    record_pasted(version, "card_text", "Please credit me when you post.", "", "rina")
    assert outcome(version) == "unknown"


def test_commerce_on_request_is_an_open_condition(version: Version) -> None:
    ClaimFactory(version=version, kind="civitai_flags", value=ALL_FLAGS)
    record_pasted(version, "card_text", "For commercial use, please contact me.", "", "rina")
    verdict = verdict_for(Version.objects.get(pk=version.pk), SELL, {})
    assert verdict.outcome == "conditional" and "contact_licensor" in verdict.conditions


@pytest.mark.parametrize(
    ("kind", "text", "url", "error"),
    [
        ("table", TABLE, "", BadPaste),
        ("circle_table", "  \n", "", BadPaste),
        ("circle_table", TABLE, "javascript:alert(1)", BadPaste),
        ("circle_table", TABLE, "https://[", BadPaste),
        ("circle_table", TABLE, "https://a.example/ b", BadPaste),
        ("circle_table", "x" * 400_001, "", BadPaste),
        ("circle_table", "Hello there", "", PasteNotUnderstood),
        ("card_text", "A nice style.", "", PasteNotUnderstood),
        ("license_text", "--- === ---", "", PasteNotUnderstood),
    ],
)
def test_what_cannot_be_read_is_refused_and_leaves_nothing(
    version: Version, kind: str, text: str, url: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        record_pasted(version, kind, text, url, "rina")
    assert not Snapshot.objects.exists() and not TermsClaim.objects.exists()
    assert not AuditEvent.objects.exists()


def test_control_characters_in_a_paste_do_no_harm(version: Version) -> None:
    (claim,) = record_pasted(version, "card_text", "No commercial use\x00 at all\ud800.", "", "rina")
    assert "\x00" not in claim.wording and "\ud800" not in claim.wording


def test_a_preview_shows_the_same_and_stores_nothing(version: Version) -> None:
    (shown,) = read_pasted("circle_table", TABLE, URL)
    assert not Snapshot.objects.exists()
    (claim,) = record_pasted(version, "circle_table", TABLE, URL, "rina")
    assert (claim.value, tuple(claim.unread)) == (shown.value, shown.unread)
    assert set(KINDS) == {"circle_table", "license_text", "card_text", "service_terms"}
