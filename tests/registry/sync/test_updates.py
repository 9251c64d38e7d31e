"""An update is a newer version for the same base, not ignored and not held already under another name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from registry.bases import find_base
from registry.basis import current_basis
from registry.history import decided
from registry.models import Blob, Subscription, TermsProfile, Version
from registry.sync.run import run
from registry.sync.updates import base_line, heed, ignore, updates
from tests.factories import BlobFactory, FileFactory
from tests.registry.sync.shelf import Shelf

pytestmark = pytest.mark.database

JUNE = datetime(2026, 6, 1, tzinfo=UTC)


def version(key: str) -> Version:
    return Version.objects.get(source_key=key)


def hold(key: str, size: int = 700) -> Blob:
    blob: Blob = BlobFactory(size=size)
    FileFactory(version=version(key), blob=blob)
    return blob


@pytest.fixture
def book(shelf: Shelf, following: Subscription) -> Shelf:
    """v1 for SDXL is held; later came one for Pony, one for SDXL and the same in fp32."""
    shelf.add("5", ["51", "52", "53", "54"])
    for days, (key, name, base) in enumerate(
        [
            ("51", "v1-SDXL", "SDXL 1.0"),
            ("52", "v2-Pony", "Pony"),
            ("53", "v2-SDXL", "SDXL 1.0"),
            ("54", "v2-SDXL-fp32", "SDXL 1.0"),
        ]
    ):
        shelf.books["5"].versions[key] |= {
            "name": name, "base": base, "published": JUNE + timedelta(days=days), "size": 1000,
        }  # fmt: skip
    return shelf


@pytest.fixture
def synced(book: Shelf, following: Subscription) -> Shelf:
    run(following)
    hold("51")
    return book


def test_exactly_one_update_is_told(synced: Shelf) -> None:
    ignore(version("54"), actor="mika", reason="too large")

    (update,) = updates()

    assert update.line == "Book 5: v1-SDXL -> v2-SDXL"
    assert (update.held, update.offered) == (version("51").pk, version("53").pk)
    assert (update.size_delta, update.about, update.rights, update.also) == (300, False, (), ())
    assert update.diff == (version("51").pk, version("53").pk)


def test_the_newest_is_told_and_names_those_between(synced: Shelf) -> None:
    (update,) = updates()
    assert (update.offered_name, update.also) == ("v2-SDXL-fp32", (version("53").pk,))


def test_what_is_ignored_comes_back_when_it_is_heeded(synced: Shelf) -> None:
    ignore(version("54"), actor="mika")
    ignore(version("53"), actor="mika")
    assert updates() == []

    assert heed(version("53"), actor="mika")
    assert [update.offered_name for update in updates()] == ["v2-SDXL"]


def test_bytes_that_are_stored_under_another_name_are_no_update(synced: Shelf) -> None:
    ignore(version("54"), actor="mika")
    offered = version("53").offers.get()
    FileFactory(blob=BlobFactory(sha256=offered.hashes["SHA256"].lower()))

    assert updates() == []


@pytest.mark.parametrize("state", ["archived", "taken_down", "gone", "not_found"])
def test_what_the_upstream_no_longer_gives_is_no_update(synced: Shelf, state: str) -> None:
    Version.objects.filter(source_key__in=["53", "54"]).update(availability=state, availability_since=JUNE)
    assert updates() == []


def test_an_older_version_is_no_update(synced: Shelf) -> None:
    hold("54")
    assert updates() == []


def test_a_change_of_rights_is_told_with_the_update(synced: Shelf, following: Subscription) -> None:
    ignore(version("54"), actor="mika")
    tight = version("53")
    held = version("51")
    forbidding = dict(held.terms_profile.terms, rights="refused")  # type: ignore[union-attr]
    from_terms(tight, forbidding)

    (update,) = updates()

    assert "redistribute_adapter" in {each["act"] for each in update.rights}
    assert {each["direction"] for each in update.rights} <= {"lost", "tighter"}


def from_terms(row: Version, terms: dict[str, object]) -> None:
    profile = TermsProfile.objects.create(digest="f" * 64, terms=terms)
    decided(profile, current_basis())
    Version.objects.filter(pk=row.pk).update(terms_profile=profile)


def test_the_command_tells_the_line_and_ignores(synced: Shelf) -> None:
    output = StringIO()
    call_command("updates", "--ignore", str(version("54").pk), stdout=output)
    assert output.getvalue().startswith("Book 5: v1-SDXL -> v2-SDXL (version ")

    output = StringIO()
    call_command("updates", "--json", stdout=output)
    assert [each["offered_name"] for each in json.loads(output.getvalue())] == ["v2-SDXL"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("SDXL 1.0", "Pony", False),
        ("Pony", "Illustrious", False),
        ("Illustrious", "NoobAI", False),
        ("SDXL 1.0", "SDXL 0.9", True),
        ("SDXL 1.0", "SDXL Lightning", False),
        ("Flux.1 D", "Flux.1 S", False),
        ("SD 1.5", "SD 1.4", True),
        ("a base of nobody", "A base  of nobody", True),
        ("a base of nobody", "another", False),
    ],
)
def test_which_bases_share_a_line(seeded: None, one: str, other: str, same: bool) -> None:
    rows = [Version(declared_base=name, base_declared=find_base(name, "civitai")) for name in (one, other)]
    assert (base_line(rows[0]) == base_line(rows[1])) is same
