"""The search over real rows: what matches, in which order, and what every facet counts."""

from __future__ import annotations

import base64
import itertools
import json
import random
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from catalog.errors import BadQuery
from catalog.search import OUTCOMES, SearchQuery, search
from catalog.search.refresh import refresh
from registry.models import Adapter, Source, Vetting
from tests.catalog import build

pytestmark = [pytest.mark.database, pytest.mark.django_db]

SELL = "generate_and_sell_images"


def names(query: SearchQuery) -> set[str]:
    return {hit.adapter.name for hit in search(query).hits}


def counts(query: SearchQuery, facet: str) -> dict[str, int]:
    found = search(query).facet(facet)
    assert found is not None
    return {each.value: each.count for each in found.values if each.count}


def test_an_empty_catalog_gives_an_empty_page() -> None:
    page = search(SearchQuery(act=SELL))
    assert (page.hits, page.count, page.next) == ([], 0, None)
    assert page.outcome_counts == dict.fromkeys(OUTCOMES, 0)


def test_text_finds_name_tags_creator_trigger_words_description_and_file_names() -> None:
    made = build.version(
        build.adapter(
            "水彩の町 Watertown",
            tags=["landscape"],
            description="Soft washes over pencil.",
            creator=build.creator("Mori Aoi"),
        ),
        trigger_words=["wtrtwn style"],
        file_name="watertown_v2_final.safetensors",
    )
    build.version("Something else")
    refresh(list(Adapter.objects.values_list("pk", flat=True)))
    for text in ("watertown", "water", "水彩の町", "landscape", "mori aoi", "wtrtwn", "pencil", "v2_final"):
        assert names(SearchQuery(text=text)) == {made.adapter.name}, text
    assert names(SearchQuery(text="watercolor")) == set()
    assert names(SearchQuery(text="!?")) == set()


def test_a_pasted_digest_finds_the_version_that_holds_the_bytes() -> None:
    adapter = build.adapter("Many versions")
    held = build.version(adapter)
    build.version(adapter)
    build.version("Other")
    blob = held.files.get().blob
    for digest in (blob.sha256, blob.sha256.upper(), blob.autov2, blob.autov2.lower(), blob.autov3):
        [hit] = search(SearchQuery(text=digest)).hits
        assert hit.version == held
    assert search(SearchQuery(text="0" * 64)).count == 0


def test_a_family_takes_in_its_checkpoints_and_unknown_is_its_own_base() -> None:
    sdxl = build.base("sdxl")
    pony = build.base("pony", parent=sdxl)
    flux = build.base("flux1")
    build.version("declared", base_declared=pony)
    build.version("detected", detected_family="sdxl")
    build.version("decided", base_declared=pony, base_decided=flux)
    build.version("contradicted", base_declared=pony, detected_family="flux1")
    build.version("nothing")
    build.version("family without a row", detected_family="mochi")
    assert names(SearchQuery(bases=("sdxl",))) == {"declared", "detected"}
    assert names(SearchQuery(bases=("pony",))) == {"declared"}
    assert names(SearchQuery(bases=("flux1",))) == {"decided", "contradicted"}
    assert names(SearchQuery(bases=("unknown",))) == {"nothing", "family without a row"}
    assert names(SearchQuery(bases=("pony", "unknown"))) == {"declared", "nothing", "family without a row"}
    labels = {hit.adapter.name: hit.base_label for hit in search(SearchQuery()).hits}
    assert labels["declared"] == "PONY"
    assert labels["detected"] == "SDXL"
    assert labels["family without a row"] == "mochi"
    assert labels["nothing"] == ""


def test_a_base_that_does_not_exist_is_a_bad_query() -> None:
    with pytest.raises(BadQuery) as caught:
        search(SearchQuery(bases=("nope",)))
    assert caught.value.parameter == "base"


def test_the_verdict_answers_for_the_act_and_unknown_is_never_yes() -> None:
    build.version("free", terms=build.APACHE)
    build.version("not for sale", terms=build.NOT_COMMERCIAL)
    build.version("nothing said", terms=build.NOTHING_SAID)
    build.version("not looked at yet", terms=None)
    page = search(SearchQuery(act=SELL))
    outcomes = {hit.adapter.name: hit.outcome for hit in page.hits}
    assert outcomes["nothing said"] == "unknown"
    assert outcomes["not looked at yet"] == "unknown"
    assert outcomes["not for sale"] == "forbidden"
    assert outcomes["free"] in {"allowed", "conditional"}
    for outcome in OUTCOMES:
        expected = {name for name, found in outcomes.items() if found == outcome}
        assert names(SearchQuery(act=SELL, outcomes=(outcome,))) == expected
        assert page.outcome_counts[outcome] == len(expected)
    assert search(SearchQuery()).hits[0].outcome is None


def test_conditions_come_with_the_verdict() -> None:
    build.version("credit me", terms={"base_license": "Apache-2.0", "license": "CC-BY-4.0"})
    [hit] = search(SearchQuery(act="generate_and_share_images")).hits
    assert hit.outcome == "conditional"
    assert any("attribution" in condition for condition in hit.conditions)


def test_all_conditions_must_hold_for_one_version_not_for_several_together() -> None:
    sdxl, flux = build.base("sdxl"), build.base("flux1")
    adapter = build.adapter("Both")
    build.version(adapter, base_declared=sdxl, vetting=Vetting.APPROVED)
    newer = build.version(adapter, base_declared=flux, vetting=Vetting.WAITING)
    assert search(SearchQuery(bases=("flux1",), vetting=("approved",))).count == 0
    [hit] = search(SearchQuery(bases=("flux1",), vetting=("waiting",))).hits
    assert hit.version == newer


def test_the_hit_is_the_newest_version_that_matches() -> None:
    adapter = build.adapter("Growing")
    first = build.version(adapter, algorithm="lora", created=timezone.now() - timedelta(days=2))
    second = build.version(adapter, algorithm="loha", created=timezone.now() - timedelta(days=1))
    assert search(SearchQuery()).hits[0].version == second
    [hit] = search(SearchQuery(algorithms=("lora",))).hits
    assert hit.version == first
    assert hit.inspection is not None and hit.inspection.algorithm == "lora"


def test_the_newest_reading_of_a_file_counts() -> None:
    version = build.version("Read twice", algorithm="lora")
    build.read(version.files.get().blob, "locon", reader="2")
    assert names(SearchQuery(algorithms=("locon",))) == {"Read twice"}
    assert names(SearchQuery(algorithms=("lora",))) == set()


def test_a_sheet_is_shown_when_it_is_done() -> None:
    toybox = build.base("toybox")
    build.version("with", sheet_on=toybox)
    build.version("without")
    assert names(SearchQuery(has_sheet=True)) == {"with"}
    assert names(SearchQuery(has_sheet=False)) == {"without"}
    sheets = {hit.adapter.name: hit.sheet for hit in search(SearchQuery()).hits}
    assert sheets["without"] is None
    assert sheets["with"] is not None


@pytest.mark.parametrize("sort", ["newest", "name"])
def test_pages_follow_each_other_without_gap_or_repeat(sort: str) -> None:
    now = timezone.now()
    for number in range(11):
        # Several share a moment, or a name but for its case: the key must still be unique.
        build.version(
            build.adapter(
                f"{'aA'[number % 2]}dapter {number // 4}", created=now - timedelta(days=number // 3)
            )
        )
    whole = [hit.adapter.pk for hit in search(SearchQuery(sort=sort)).hits]
    assert len(whole) == 11
    query, paged = SearchQuery(sort=sort, limit=3), []
    for _page in itertools.count():
        page = search(query)
        assert page.count == 11
        paged += [hit.adapter.pk for hit in page.hits]
        if page.next is None:
            break
        query = query.with_("after", page.next)
    assert paged == whole


@pytest.mark.parametrize("after", ["x", "bnVsbA", "WyJuZXdlc3QiLCJ4IiwxXQ", "WyJuYW1lIiwiYSIsMV0", "\u2603"])
def test_a_key_that_is_not_ours_is_a_bad_query(after: str) -> None:
    with pytest.raises(BadQuery) as caught:
        search(SearchQuery(after=after))
    assert caught.value.parameter == "after"


@pytest.mark.parametrize("key", ["\ud800", "a\0b", "", 5, None])
def test_a_forged_key_is_a_bad_query_or_an_ordinary_page(key: object) -> None:
    forged = base64.urlsafe_b64encode(json.dumps(["name", key, 1]).encode()).decode().rstrip("=")
    if key == "":
        assert search(SearchQuery(sort="name", after=forged)).hits == []
        return
    with pytest.raises(BadQuery):
        search(SearchQuery(sort="name", after=forged))


def crowd(seed: int) -> None:
    """Adapters with one to three versions and every property by chance."""
    dice = random.Random(seed)
    family = build.base("sdxl")
    bases = [None, family, build.base("pony", parent=family), build.base("flux1")]
    for number in range(16):
        adapter = build.adapter(
            f"{dice.choice(['Ink', 'Oil', 'Clay'])} {number}",
            tags=dice.sample(["style", "person", "place", "thing"], dice.randint(0, 3)),
            source=dice.choice(Source.values),
        )
        for _version in range(dice.randint(1, 3)):
            build.version(
                adapter,
                base_declared=dice.choice(bases),
                terms=dice.choice([None, build.APACHE, build.NOT_COMMERCIAL, build.NOTHING_SAID]),
                algorithm=dice.choice(["", "lora", "loha"]),
                vetting=dice.choice(Vetting.values),
                sheet_on=family if dice.random() < 0.3 else None,
            )
    refresh(list(Adapter.objects.values_list("pk", flat=True)))


@pytest.mark.parametrize(
    "query",
    [
        SearchQuery(limit=100),
        SearchQuery(act=SELL, limit=100),
        SearchQuery(act=SELL, outcomes=("allowed", "unknown"), bases=("sdxl",), limit=100),
        SearchQuery(
            act=SELL, outcomes=("forbidden",), tags=("style", "person"), vetting=("approved",), limit=100
        ),
        SearchQuery(text="ink", algorithms=("lora",), has_sheet=False, limit=100),
        SearchQuery(bases=("pony", "unknown"), sources=("folder", "civitai"), has_sheet=True, limit=100),
    ],
)
def test_every_facet_counts_what_choosing_its_value_alone_would_find(query: SearchQuery) -> None:
    crowd(1)
    page = search(query)
    assert page.count == len(page.hits)
    for facet in page.facets:
        for each in facet.values:
            chosen = query
            if facet.name == "has_sheet":
                chosen = query.with_("has_sheet", each.value)
            elif facet.name == "outcome":
                chosen = query.without("outcome").with_("outcome", each.value)
            else:
                chosen = query.without(facet.name).with_(facet.name, each.value)
            assert search(chosen).count == each.count, (facet.name, each.value)


def test_a_page_takes_the_same_number_of_sql_queries_however_much_it_shows(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    asked = SearchQuery(act=SELL, text="ink", bases=("sdxl",), limit=100)
    build.base("toybox")
    crowd(3)
    # Profiles that were never asked about are read once more, to be decided.
    search(asked)
    # One of them reads the house's licenses and rules, which every answer rests on.
    with django_assert_num_queries(17):
        few = search(asked.with_("algorithm", "lora").with_("limit", "2"))
    with django_assert_num_queries(17):
        many = search(asked.with_("act", SELL))
    assert len(few.hits) < len(many.hits)


def test_a_checkpoint_is_listed_right_below_its_family() -> None:
    family = build.base("sdxl")
    child, other = build.base("pony", parent=family), build.base("flux1")
    for base in (family, child, other, other, other):
        build.version(base_declared=base)
    facet = search(SearchQuery()).facet("base")
    assert facet is not None
    assert [(each.value, each.depth, each.count) for each in facet.values] == [
        ("flux1", 0, 3),
        ("sdxl", 0, 2),
        ("pony", 1, 1),
    ]


def test_a_facet_lists_a_hundred_values_says_how_many_more_there_are_and_keeps_the_chosen_one() -> None:
    build.version(build.adapter("Tagged", tags=[f"tag{number:03}" for number in range(130)]))
    facet = search(SearchQuery(tags=("tag129",))).facet("tag")
    assert facet is not None
    assert len(facet.values) == 101
    assert facet.more == 29
    assert [each.value for each in facet.values if each.selected] == ["tag129"]
    assert counts(SearchQuery(), "tag")["tag000"] == 1
