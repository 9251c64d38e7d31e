"""Many new adapters at once become the very rows that saving them one by one makes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from django.db import DataError, transaction
from django.forms.models import model_to_dict

from registry.models import (
    Adapter,
    AuditEvent,
    Change,
    Check,
    ClaimKind,
    Creator,
    License,
    OfferedFile,
    ReviewItem,
    Snapshot,
    TermsClaim,
    TermsProfile,
    Version,
)
from registry.sources.listing import ListedClaim, Listing, RemoteSample
from registry.sources.save import save_version
from registry.sources.save_new import is_plain, save_new
from registry.terms import terms_of
from tests.registry.sync.shelf import Shelf

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("seeded")]


def listings() -> list[Listing]:
    """Adapters that differ in all that terms, checks and items follow from."""
    shelf = Shelf(8, versions=2)
    shelf.books["2"].flags["allowNoCredit"] = False
    shelf.books["3"].flags["allowCommercialUse"] = []
    shelf.books["4"].tags = ["character", "celebrity"]
    shelf.books["5"].versions["5000"]["base"] = "Pony"
    shelf.books["5"].versions["5001"]["base"] = "a base that is in no table"
    shelf.books["6"].versions["6000"] |= {"availability": "archived", "reason": "by its author"}
    shelf.books["7"].versions["7000"]["words"] = ["ink wash", "sumi"]
    found = [shelf.listing(book) for book in shelf.books.values()]
    document = found[7].versions[0].documents[0]
    found[7].creator = ""
    found[7].versions[0].claims += [
        ListedClaim(ClaimKind.LICENSE, "cc-by-4.0", "cc-by-4.0", document),
        ListedClaim(ClaimKind.RIGHTS, "unknown", "tag: celebrity", document, hints={"subject": "person"}),
    ]
    found[7].versions[1].remote_samples = [RemoteSample("https://image.civitai.com/a/b.png", {"seed": 1})]
    found[7].versions[1].settings = {"weight": {"median": 0.8}}
    found[7].versions[1].notes = "Second edition."
    return found


def one_by_one(found: Sequence[Listing]) -> None:
    for listing in found:
        for version in listing.versions:
            save_version(listing, version, [], actor="sync")


def at_once(found: Sequence[Listing]) -> None:
    save_new(found, actor="sync")


# Ids and times differ; everything else must not.
_LEFT_OUT = {"id", "created", "updated", "at", "since", "seen", "fetched", "availability_since", "snapshot"}


def rows_after(save: Callable[[Sequence[Listing]], None]) -> dict[str, list[str]]:
    """All rows that saving makes, with what they point to spelled out; nothing stays."""

    class Undo(Exception):
        pass

    told: dict[str, list[str]] = {}
    try:
        with transaction.atomic():
            save(listings())
            for model in (
                Adapter, Change, Check, Creator, OfferedFile, ReviewItem, Snapshot, TermsClaim,
                TermsProfile, Version,
            ):  # fmt: skip
                told[model.__name__] = sorted(map(spelled, model.objects.all()))  # type: ignore[attr-defined]
            events = AuditEvent.objects.filter(subject__startswith="version:")
            told["AuditEvent"] = sorted(map(spelled, events))
            raise Undo
    except Undo:
        return told


def spelled(row: Any) -> str:
    facts = {name: value for name, value in model_to_dict(row).items() if name not in _LEFT_OUT}
    for name in ("version", "adapter", "terms_profile", "evidence", "creator", "snapshot"):
        if hasattr(row, f"{name}_id"):
            other = getattr(row, name)
            facts[name] = getattr(other, "source_key", None) or getattr(other, "digest", None) or str(other)
    if isinstance(row, AuditEvent):
        facts["subject"] = Version.objects.get(pk=row.subject.partition(":")[2]).source_key
    if isinstance(row, Check):
        claims = row.evidence.get("claims")
        if claims:
            kinds = TermsClaim.objects.filter(pk__in=claims).values_list("kind", flat=True)
            facts["evidence"] = {**row.evidence, "claims": sorted(kinds)}
        elif "since" in row.evidence:
            facts["evidence"] = {**row.evidence, "since": "a time"}
    if isinstance(row, ReviewItem | TermsClaim | Check | OfferedFile | Change):
        facts["of"] = row.version.source_key
    return repr(sorted(facts.items()))


def test_both_ways_make_the_same_rows() -> None:
    assert rows_after(at_once) == rows_after(one_by_one)


def test_the_queries_do_not_grow_with_the_adapters(django_assert_max_num_queries: Any) -> None:
    found = [Shelf().listing(book) for book in Shelf(60, versions=2).books.values()]
    with django_assert_max_num_queries(70):
        save_new(found, actor="sync")

    assert Version.objects.count() == 120


def test_two_statements_of_one_kind_from_one_document_are_not_plain() -> None:
    listing = listings()[0]
    assert is_plain(listing)
    listing.versions[0].claims.append(listing.versions[0].claims[0])
    assert not is_plain(listing)


def test_none_is_made_where_one_cannot_be() -> None:
    found = listings()
    found[3].versions[0].name = "zero \0 byte"

    with pytest.raises(DataError, match="NUL"):
        save_new(found, actor="sync")

    assert (Adapter.objects.count(), Snapshot.objects.count()) == (0, 0)


def test_terms_that_were_worked_out_before_follow_a_base_that_has_another_license_now() -> None:
    first, second = (Shelf().listing(book) for book in Shelf(2).books.values())
    (before,) = save_new([first], actor="sync")[first.source_key or ""]
    base = before.base_declared
    assert base is not None and before.terms_profile is not None
    base.license = License.objects.exclude(pk=base.license_id).filter(current=True).earliest("pk")
    base.save()
    (after,) = save_new([second], actor="sync")[second.source_key or ""]
    assert after.terms_profile is not None
    assert after.terms_profile.terms["base_license"] == base.license.license_id
    assert after.terms_profile.terms == terms_of(Version.objects.get(pk=after.pk))
    assert before.terms_profile.terms["base_license"] != base.license.license_id
