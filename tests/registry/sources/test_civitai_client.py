"""Lists of Civitai with every trap of its cursors and filters, from a server on loopback."""

from __future__ import annotations

import json

import pytest
from pytest_django import Settings

from registry.sources.civitai_client import pages
from registry.sources.errors import ReferenceUnclear, SourceNotSupported
from registry.sources.listing import Listing
from registry.sources.pages import Page, Unread
from registry.sources.upstream_errors import NotFoundUpstream
from tests.registry.sources.civitai_fixture import ask_civitai, civitai
from tests.upstreams.civitai import CivitaiServer
from tests.upstreams.civitai_catalog import FIRST_ID, Catalog, model, recorded

__all__ = ["civitai"]

pytestmark = pytest.mark.usefixtures("civitai")


def read_pages(kind: str, target: str, cursor: str | None = None) -> list[Page]:
    return list(pages(kind, target, cursor))


def ids(found: list[Page]) -> list[str]:
    return [str(each.source_key) for page in found for each in page.listings]


def read(each: Listing | Unread) -> Listing:
    return each.read() if isinstance(each, Unread) else each


def everything(count: int) -> set[str]:
    return {str(FIRST_ID + number) for number in range(count)}


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("repeats", [True, False])
def test_a_walk_meets_every_model_once_whatever_the_cursor_skips_or_repeats(
    settings: Settings, skips: bool, repeats: bool
) -> None:
    with CivitaiServer(Catalog(generated=730), skips=skips, repeats=repeats) as server:
        ask_civitai(settings, server)
        found = read_pages("catalog", "")
        assert sorted(ids(found)) == sorted(everything(730))
        assert found[-1].cursor is None and all(page.cursor for page in found[:-1])
        # Eight pages at most, and one question for all that were skipped.
        assert len(server.requests) <= 9


def test_a_list_whose_cursor_tells_nothing_is_read_twice_with_other_page_ends(settings: Settings) -> None:
    with CivitaiServer(Catalog(generated=730)) as server:
        server.opaque = True
        ask_civitai(settings, server)
        found = read_pages("catalog", "")
        assert sorted(ids(found)) == sorted(everything(730))
        assert any("read twice" in note for page in found for note in page.notes)


@pytest.mark.parametrize("stop", [1, 3, 7])
def test_a_walk_goes_on_from_any_page(settings: Settings, stop: int) -> None:
    with CivitaiServer(Catalog(generated=730)) as server:
        ask_civitai(settings, server)
        walk = pages("catalog", "", None)
        first = [next(walk) for _ in range(stop)]
        rest = read_pages("catalog", "", first[-1].cursor)
        assert sorted(ids(first) + ids(rest)) == sorted(everything(730))


def test_the_models_of_a_creator_come_with_their_address_or_name(civitai: CivitaiServer) -> None:
    civitai.catalog.add(
        model(1), model(2, creator={"username": "Rei K"}), model(3, creator={"username": "other"})
    )
    for target in ("Rei K", "rei_k", "https://civitai.com/user/rei_k/models"):
        assert ids(read_pages("creator", target)) == ["2"]
    with pytest.raises(NotFoundUpstream):
        read_pages("creator", "nobody")


def test_mature_models_are_listed_too(civitai: CivitaiServer) -> None:
    civitai.catalog.add(model(1, nsfwLevel=28), model(2))
    assert sorted(ids(read_pages("catalog", ""))) == ["1", "2"]


def test_a_tag_gives_what_carries_it(civitai: CivitaiServer) -> None:
    civitai.catalog.add(model(1, tags=["ink", "style"]), model(2, tags=["photo"]))
    assert ids(read_pages("tag", "ink")) == ["1"]
    assert ids(read_pages("tag", "https://civitai.com/tag/ink")) == ["1"]


def test_an_unknown_tag_takes_nothing_though_the_upstream_answers_with_everything(settings: Settings) -> None:
    with CivitaiServer(Catalog(generated=300)) as server:
        ask_civitai(settings, server)
        (page,) = read_pages("tag", "no such tag")
        assert (list(page.listings), page.cursor) == ([], None)
        assert [each.error.code for each in page.failures] == ["selection_ignored"]
        assert len(server.requests) == 1


def test_a_search_goes_on_after_pages_that_its_filters_emptied(civitai: CivitaiServer) -> None:
    checkpoints = [model(1000 + n, type="Checkpoint", name=f"ink {n}") for n in range(150)]
    civitai.catalog.add(
        model(1, name="ink wash"), model(2, name="Ink too"), model(3, name="oil"), *checkpoints
    )
    assert sorted(ids(read_pages("query", "ink"))) == ["1", "2"]


def test_a_collection_of_ids_finds_archived_models_and_tells_which_are_gone(civitai: CivitaiServer) -> None:
    civitai.catalog.add(model(1), model(2, mode="Archived"), model(3, nsfwLevel=16))
    (page,) = read_pages("collection", "1, https://civitai.com/models/2 3 civitai:9")
    assert [read(each).source_key for each in page.listings] == ["1", "2", "3"]
    assert read(page.listings[1]).versions[0].availability == "archived"
    assert [(each.source, each.error.code) for each in page.failures] == [("civitai:9", "not_found_upstream")]
    with pytest.raises(ReferenceUnclear):
        read_pages("collection", "https://civitai.com/collections/12")


def test_one_adapter_alone_or_its_absence(civitai: CivitaiServer) -> None:
    civitai.catalog.add(model(1))
    assert ids(read_pages("adapter", "1")) == ["1"]
    civitai.catalog.remove(1)
    with pytest.raises(NotFoundUpstream):
        read_pages("adapter", "1")


def test_an_item_of_a_list_is_kept_in_its_own_bytes(civitai: CivitaiServer) -> None:
    civitai.catalog.add(model(1, name="Tusche 墨"), model(2))
    (page,) = read_pages("catalog", "")
    for each in page.listings:
        listing = read(each)
        (document,) = listing.versions[0].documents
        assert document.url == f"{civitai.api}/models/{listing.source_key}"
        assert json.loads(document.body)["id"] == int(listing.source_key or 0)
        assert b'"items"' not in document.body


def test_a_fingerprint_stays_while_only_counts_move(civitai: CivitaiServer) -> None:
    def seen() -> tuple[str, str]:
        (one,) = read_pages("catalog", "")[0].listings
        (other,) = read_pages("adapter", "1")[0].listings
        return one.fingerprint, other.fingerprint

    civitai.catalog.add(model(1))
    first = seen()
    assert first[0] == first[1]
    civitai.catalog.add(model(1, stats={"downloadCount": 99}, supportsGeneration=True))
    civitai.uses = "postgres"
    assert seen() == first
    civitai.catalog.add(model(1, allowNoCredit=False))
    assert seen() != first


def test_other_kinds_of_list_are_refused(civitai: CivitaiServer) -> None:
    with pytest.raises(SourceNotSupported):
        read_pages("repo", "a/b")


def test_every_recorded_model_says_the_same_from_the_list_as_alone(civitai: CivitaiServer) -> None:
    """All years in one list: the shapes of 2023 beside those of 2026, with their own fingerprints."""
    civitai.catalog.add(*recorded())
    walked = {each.source_key: each for page in read_pages("catalog", "") for each in page.listings}
    shown = {str(each["id"]): each for each in recorded() if each.get("mode") != "Archived"}
    assert set(walked) == set(shown)
    for key, each in walked.items():
        (alone,) = read_pages("adapter", str(key))[0].listings
        assert each.fingerprint == alone.fingerprint
        one, other = read(each), read(alone)
        assert [v.source_key for v in one.versions] == [
            str(v["id"]) for v in shown[str(key)]["modelVersions"]
        ]
        for mine, theirs in zip(one.versions, other.versions, strict=True):
            assert [(c.kind, c.value) for c in mine.claims] == [(c.kind, c.value) for c in theirs.claims]
            assert mine.remote == theirs.remote


def test_a_hundred_thousand_models_are_listed_page_by_page_from_one_process(settings: Settings) -> None:
    """The catalog costs no memory for what nobody asks; a change moves its model to the first page."""
    with CivitaiServer(Catalog(generated=100_000)) as server:
        ask_civitai(settings, server)
        first = next(pages("catalog", "", None))
        assert len(first.listings) == 100 and first.listings[0].source_key == str(FIRST_ID + 99_999)
        server.catalog.edit(FIRST_ID + 5)
        again = next(pages("catalog", "", None))
        assert again.listings[0].source_key == str(FIRST_ID + 5)
        assert [each.fingerprint for each in again.listings[1:]] == [
            each.fingerprint for each in first.listings[:99]
        ]
        assert [each.name for each in read(again.listings[0]).versions] == ["v2", "v1"]
