"""What a person has set survives reading the real page again, byte for byte, and can be given back to it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import call_command

from registry.edits import NotEditable, change, decide_base
from registry.models import Adapter, AuditEvent, BaseModel, Standing, TermsClaim, Version
from tests.registry.sources.civitai_fixture import civitai
from tests.upstreams.civitai import CivitaiServer
from tests.upstreams.civitai_catalog import file, model, version

__all__ = ["civitai"]

pytestmark = [
    pytest.mark.database,
    pytest.mark.django_db,
    pytest.mark.usefixtures("blobs", "seeded", "lineage_folder"),
]
# Whatever a person may type: other scripts, signs that look alike, blanks at the ends.
BY_HAND: dict[str, Any] = {
    "name": "水彩 Ink — ½ 🖌 مرحبا",
    "description": "  First line.\n\n\tSecond\u00a0line.  ",
    "tags": ["STYLE", "style", "和風"],
}
OF_VERSION: dict[str, Any] = {
    "name": "v1 (ours)",
    "notes": "Made by hand.\n",
    "trigger_words": ["inkwash, (brush:1.2)", "墨"],
    "declared_base": "Pony",
}


def read(civitai: CivitaiServer) -> Version:
    call_command("ingest", "civitai:7", stdout=io.StringIO(), stderr=io.StringIO())
    return Version.objects.select_related("adapter", "base_declared", "base_decided").get()


def says(civitai: CivitaiServer, place: int) -> None:
    """The page says something else than before, in every field that a person may set."""
    own = version(
        70, [file(700)], name=f"theirs {place}", description=f"Notes {place}.", trainedWords=[f"w{place}"]
    )
    own["baseModel"] = ["SD 1.5", "SDXL 1.0", "Flux.1 D"][place % 3]
    civitai.catalog.add(
        model(7, [own], name=f"Their name {place}", description=f"<p>Told {place}.</p>", tags=[f"tag{place}"])
    )


def test_an_edit_survives_reading_the_page_again_byte_for_byte(civitai: CivitaiServer) -> None:
    says(civitai, 0)
    kept = read(civitai)
    change(kept.adapter, "mika", BY_HAND)
    pony = BaseModel.objects.get(slug="pony-v6")
    change(kept, "mika", {**OF_VERSION, "base_decided": pony})
    for place in (1, 2):
        says(civitai, place)
        kept = read(civitai)
        assert {name: getattr(kept.adapter, name) for name in BY_HAND} == BY_HAND
        assert {name: getattr(kept, name) for name in OF_VERSION} == OF_VERSION
        assert kept.base_decided == pony
        assert kept.base_declared is not None and kept.base_declared.family == pony.family
    # What the page says now stands beside it.
    assert kept.adapter.stated == {"name": "Their name 2", "description": "Told 2.", "tags": ["tag2"]}
    assert kept.stated == {
        "name": "theirs 2",
        "notes": "Notes 2.",
        "trigger_words": ["w2"],
        "declared_base": "Flux.1 D",
    }


def test_what_is_given_back_is_what_the_page_said_last_without_asking_it(civitai: CivitaiServer) -> None:
    says(civitai, 0)
    kept = read(civitai)
    change(kept.adapter, "mika", BY_HAND)
    change(kept, "mika", OF_VERSION)
    says(civitai, 1)
    kept = read(civitai)
    civitai.requests.clear()
    change(kept.adapter, "mika", {}, ["name", "tags"])
    change(kept, "mika", {}, list(OF_VERSION))
    assert civitai.requests == []
    adapter, found = Adapter.objects.get(), Version.objects.select_related("base_declared").get()
    assert (adapter.name, adapter.tags, adapter.description) == (
        "Their name 1",
        ["tag1"],
        BY_HAND["description"],
    )
    assert (adapter.edited, adapter.stated) == (["description"], {"description": "Told 1."})
    assert (found.name, found.trigger_words, found.declared_base) == ("theirs 1", ["w1"], "SDXL 1.0")
    assert found.base_declared is not None and found.base_declared.family == "sdxl"
    assert (found.edited, found.stated) == ([], {})
    events = AuditEvent.objects.filter(action="release_edit").order_by("id")
    assert [(each.actor, each.data["fields"]) for each in events] == [
        ("mika", ["name", "tags"]),
        ("mika", sorted(OF_VERSION)),
    ]
    # From here on the page is followed again.
    says(civitai, 2)
    assert read(civitai).name == "theirs 2"


def test_a_page_that_says_nothing_any_more_is_no_statement(civitai: CivitaiServer) -> None:
    says(civitai, 0)
    kept = read(civitai)
    change(kept, "mika", {"trigger_words": ["ink"]})
    civitai.catalog.add(model(7, [version(70, [file(700)])], name="Their name 0"))
    kept = read(civitai)
    assert (kept.trigger_words, kept.stated) == (["ink"], {"trigger_words": ["w0"]})


def test_a_decided_base_is_on_record_and_can_be_taken_back(civitai: CivitaiServer) -> None:
    says(civitai, 0)
    kept = read(civitai)
    pony = BaseModel.objects.get(slug="pony-v6")
    assert decide_base(kept, "mika", pony)
    assert not decide_base(kept, "mika", pony)
    assert decide_base(kept, "noor", None)
    assert read(civitai).base_decided is None
    events = AuditEvent.objects.filter(action="decide_base").order_by("id")
    assert [(each.actor, each.data) for each in events] == [
        ("mika", {"base": "pony-v6"}),
        ("noor", {"base": None}),
    ]


def test_a_base_that_a_review_concluded_with_evidence_is_not_overruled_in_passing(
    civitai: CivitaiServer,
) -> None:
    says(civitai, 0)
    kept = read(civitai)
    TermsClaim.objects.create(
        version=kept, kind="base", standing=Standing.DECIDED, value="sdxl-1-0", hints={"item": "base"}
    )
    with pytest.raises(NotEditable):
        change(kept, "mika", {"name": "Ours", "base_decided": BaseModel.objects.get(slug="pony-v6")})
    # All of it or nothing.
    kept.refresh_from_db()
    assert (kept.name, kept.edited, kept.base_decided) == ("theirs 0", [], None)


def test_one_field_is_not_set_and_given_back_at_once(civitai: CivitaiServer) -> None:
    says(civitai, 0)
    kept = read(civitai)
    with pytest.raises(NotEditable):
        change(kept, "mika", {"name": "Ours"}, ["name"])
    with pytest.raises(NotEditable):
        change(kept, "mika", {}, ["vetting"])
