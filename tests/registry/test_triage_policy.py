"""What is worth fetching: decided by record, terms and header, with a reason and the bytes saved."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from registry.models import OfferedFile, Version
from registry.services import ingest
from registry.sources.save import save_version
from registry.sources.upstream_errors import NotSafetensors
from registry.triage import BadPolicy, TriagePolicy, by_record, decide, format_of, house_policy
from tests.registry import remote_source as remote
from tests.registry.remote_source import Shelf, Upstream, offered, version
from tests.registry.weight_files import write_lora, write_truncated, write_vae

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]

ALL = TriagePolicy()


def offer_of(
    shelf: Shelf, body: bytes, *, name: str = "ink.safetensors", page: Any = None, **changes: Any
) -> OfferedFile:
    """An offer that was listed, of a version with `page` for its own facts."""
    upstream = Upstream([version(offered(shelf, name, body, **changes), **(page or {}))])
    listing = next(upstream.read("test:1").listings)
    save_version(listing, listing.versions[0], [], actor="sync")
    return OfferedFile.objects.select_related("version__adapter").get()


def decided(offer: OfferedFile, policy: TriagePolicy) -> tuple[str, str]:
    """State and code that the decision left on the offer's row."""
    decide(offer, offer.version, policy)
    offer.refresh_from_db()
    return offer.state, offer.code


def test_what_is_wanted_waits_to_be_fetched(shelf: Shelf, lora: bytes) -> None:
    offer = offer_of(shelf, lora)
    assert decided(offer, ALL) == ("waiting", "")
    assert (offer.saved, offer.triage["family"]) == (0, "sd1")


@pytest.mark.parametrize(
    ("changes", "policy", "code"),
    [
        ({"role": "Training Data"}, ALL, "role_not_wanted"),
        ({"requires": "early_access"}, ALL, "early_access"),
        ({"requires": "purchase"}, ALL, "purchase_required"),
        ({"requires": "gated"}, ALL, "gated_upstream"),
        ({"requires": "login"}, ALL, "login_required"),
        ({"name": "ink.gguf"}, ALL, "format_not_wanted"),
        ({"name": "ink.pt"}, replace(ALL, formats=("safetensors",)), "format_not_wanted"),
        (
            {"name": "ink", "format": "PickleTensor"},
            replace(ALL, formats=("safetensors",)),
            "format_not_wanted",
        ),
        ({"about": 5 * 2**30}, ALL, "too_large"),
        ({}, replace(ALL, families=("sdxl",)), "family_not_wanted"),
    ],
)
def test_the_record_alone_can_rule_a_file_out_without_asking_anybody(
    shelf: Shelf, lora: bytes, changes: dict[str, Any], policy: TriagePolicy, code: str
) -> None:
    offer = offer_of(shelf, lora, **changes)
    assert decided(offer, policy) == ("passed_by", code)
    assert offer.reason.endswith(".")
    assert offer.saved == (changes.get("about") or len(lora))
    assert shelf.requests == []


def test_a_token_opens_what_needs_a_login(shelf: Shelf, lora: bytes, settings: Settings) -> None:
    offer = offer_of(shelf, lora, requires="login")
    settings.UPSTREAM_TOKENS = {shelf.host: "secret"}
    assert decided(offer, ALL) == ("waiting", "")
    assert shelf.requests[-1].headers["authorization"] == "Bearer secret"


def test_no_limit_means_any_size(shelf: Shelf, lora: bytes) -> None:
    offer = offer_of(shelf, lora, about=5 * 2**30)
    assert by_record(offer, offer.version, replace(ALL, largest=0)).fetch


def test_terms_that_forbid_for_certain_spare_the_bytes(shelf: Shelf, lora: bytes) -> None:
    document = remote.RawDocument("https://example.test/model/1", b"flags", "application/json")
    statement = remote.Statement(
        "civitai_flags",
        {
            "allowNoCredit": True,
            "allowCommercialUse": [],
            "allowDerivatives": False,
            "allowDifferentLicense": False,
        },
        "nothing commercial",
    )
    page = {"documents": [document], "claims": [remote.listed(statement, document)]}
    offer = offer_of(shelf, lora, page=page)
    assert by_record(offer, offer.version, ALL).fetch
    selling = replace(ALL, acts=("generate_and_sell_images",))
    assert decided(offer, selling) == ("passed_by", "license_forbids")
    assert "generate_and_sell_images" in offer.reason and "adapter" in offer.reason
    # One act that is not forbidden is a reason to have it.
    assert by_record(
        offer, offer.version, replace(ALL, acts=("generate_and_sell_images", "use_privately"))
    ).fetch


def test_unknown_terms_are_no_reason_to_pass_a_file_by(shelf: Shelf, lora: bytes) -> None:
    offer = offer_of(shelf, lora, page={"documents": [], "claims": []})
    assert by_record(offer, offer.version, replace(ALL, acts=("generate_and_sell_images",))).fetch


def test_what_was_taken_down_is_not_fetched(shelf: Shelf, lora: bytes) -> None:
    offer = offer_of(shelf, lora, page={"availability": "taken_down"})
    assert decided(offer, ALL) == ("passed_by", "taken_down")


def test_the_header_tells_what_the_record_does_not(shelf: Shelf, tmp_path: Path) -> None:
    body = write_lora(tmp_path / "two.safetensors", family="sd2").read_bytes()
    undeclared = {"declared_base": ""}
    offer = offer_of(shelf, body, page=undeclared)
    assert decided(offer, replace(ALL, families=("sd1",))) == ("passed_by", "family_not_wanted")
    assert "sd2" in offer.reason
    assert 0 < offer.read <= 65536 and offer.saved == len(body) - offer.read
    assert len(shelf.requests) == 1


def test_what_is_no_adapter_is_seen_by_its_tensors(shelf: Shelf, tmp_path: Path) -> None:
    offer = offer_of(shelf, write_vae(tmp_path / "vae.safetensors").read_bytes())
    assert decided(offer, ALL) == ("passed_by", "not_an_adapter")


def test_a_header_is_read_once(shelf: Shelf, lora: bytes) -> None:
    offer = offer_of(shelf, lora)
    decide(offer, offer.version, ALL)
    decide(
        OfferedFile.objects.select_related("version__adapter").get(),
        offer.version,
        replace(ALL, families=("sd1",)),
    )
    assert len(shelf.requests) == 1


def test_a_damaged_file_is_known_before_it_is_fetched(shelf: Shelf, tmp_path: Path) -> None:
    offer = offer_of(shelf, write_truncated(tmp_path / "cut.safetensors").read_bytes())
    with pytest.raises(NotSafetensors):
        decide(offer, offer.version, ALL)


def test_the_house_s_policy_comes_from_the_settings(settings: Settings) -> None:
    settings.TRIAGE_FAMILIES = ["sdxl", "flux1"]
    settings.TRIAGE_LARGEST_MB = 100
    settings.TRIAGE_READ_HEADER = False
    policy = house_policy()
    assert (policy.families, policy.largest, policy.read_header) == (("sdxl", "flux1"), 100 * 2**20, False)


def test_a_subscription_changes_what_it_names_and_nothing_else() -> None:
    changed = ALL.with_changes({"families": ["flux1"], "largest": 5})
    assert changed == replace(ALL, families=("flux1",), largest=5)


@pytest.mark.parametrize(
    "changes", [{"size": 1}, {"largest": -1}, {"largest": True}, {"families": "sdxl"}, {"read_header": 1}]
)
def test_a_policy_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(BadPolicy):
        ALL.with_changes(changes)


@pytest.mark.parametrize(
    ("name", "told", "found"),
    [
        ("ink.safetensors", "PickleTensor", "safetensors"),
        ("INK.CKPT", "", "pickle"),
        ("ink", "SafeTensor", "safetensors"),
        ("ink", "Core ML", "core ml"),
        ("ink", "", ""),
    ],
)
def test_the_name_s_ending_tells_the_format_before_the_upstream_does(
    name: str, told: str, found: str
) -> None:
    assert format_of(OfferedFile(name=name, format=told)) == found


def test_a_wider_policy_fetches_what_was_passed_by_before(
    shelf: Shelf, lora: bytes, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream = Upstream([version(offered(shelf, "ink.safetensors", lora))])
    remote.install(monkeypatch, upstream)
    settings.TRIAGE_FAMILIES = ["sdxl"]
    assert [line["why"] for line in ingest("test:1").skipped] == ["family_not_wanted"]
    settings.TRIAGE_FAMILIES = []
    report = ingest("test:1")
    assert (report.skipped, report.failed) == ([], [])
    assert Version.objects.get().files.count() == 1
