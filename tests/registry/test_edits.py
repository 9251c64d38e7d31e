"""What a person sets by hand, and what a reviewer decides, stays byte for byte whatever is read later."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.edits import NotEditable, edit, release
from registry.models import Adapter, AuditEvent, BaseModel, Change, Version
from registry.sources.save import save_version
from tests.registry.remote_source import Upstream, version

pytestmark = [pytest.mark.database, pytest.mark.django_db, pytest.mark.usefixtures("blobs", "seeded")]

TEXT = st.text(
    st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), min_size=1, max_size=60
)
OF_ADAPTER = {"name": TEXT, "description": TEXT, "tags": st.lists(TEXT, min_size=1, max_size=3)}
OF_VERSION = {
    "name": TEXT,
    "notes": TEXT,
    "trigger_words": st.lists(TEXT, min_size=1, max_size=3),
    "declared_base": TEXT,
}


def read(upstream: Upstream) -> Version:
    """Save what the upstream says now, as a sync does."""
    listing = next(upstream.read("test:1").listings)
    return save_version(listing, listing.versions[0], [], actor="sync").version


def upstream_of(adapter: dict[str, Any], of_version: dict[str, Any]) -> Upstream:
    facts = {"name": "v11", **of_version}
    return Upstream([version(**facts)], **{name: adapter[name] for name in ("name", "description", "tags")})


@given(data=st.data())
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_edit_survives_every_later_reading(data: st.DataObject) -> None:
    # Every example starts with nothing edited.
    Adapter.objects.update(edited=[])
    Version.objects.update(edited=[])
    upstream = upstream_of(
        data.draw(st.fixed_dictionaries(OF_ADAPTER)), data.draw(st.fixed_dictionaries(OF_VERSION))
    )
    kept = read(upstream)
    for_adapter = data.draw(st.fixed_dictionaries({}, optional=OF_ADAPTER))
    for_version = data.draw(st.fixed_dictionaries({}, optional=OF_VERSION))
    edit(kept.adapter, "mika", **for_adapter)
    edit(kept, "mika", **for_version)
    decided = BaseModel.objects.order_by("?").first()
    Version.objects.filter(pk=kept.pk).update(base_decided=decided)
    for _ in range(2):
        says = data.draw(st.fixed_dictionaries(OF_ADAPTER)), data.draw(st.fixed_dictionaries(OF_VERSION))
        read(upstream_of(*says))
        adapter, found = Adapter.objects.get(pk=kept.adapter_id), Version.objects.get(pk=kept.pk)
        assert {name: getattr(adapter, name) for name in for_adapter} == for_adapter
        assert {name: getattr(found, name) for name in for_version} == for_version
        assert found.base_decided == decided
        # Everything else follows the upstream.
        for name in OF_ADAPTER.keys() - for_adapter.keys():
            assert getattr(adapter, name) == says[0][name]
        for name in OF_VERSION.keys() - for_version.keys():
            assert getattr(found, name) == says[1][name]


def test_an_edited_base_name_is_looked_up_and_stays() -> None:
    kept = read(Upstream([version()]))
    edit(kept, "mika", declared_base="Flux.1 D")
    read(Upstream([version(declared_base="SDXL 1.0")]))
    kept.refresh_from_db()
    assert kept.base_declared is not None
    assert (kept.declared_base, kept.base_declared.family) == ("Flux.1 D", "flux1")


def test_an_edit_is_on_record_and_noted_for_search() -> None:
    kept = read(Upstream([version()]))
    before = Change.objects.count()
    assert edit(kept, "mika", notes="By hand.")
    event = AuditEvent.objects.get(action="edit")
    assert (event.actor, event.subject, event.data) == ("mika", f"version:{kept.pk}", {"fields": ["notes"]})
    assert Change.objects.count() > before
    assert not edit(kept, "mika", notes="By hand.")


def test_a_field_that_is_released_follows_the_upstream_again() -> None:
    kept = read(Upstream([version()]))
    edit(kept, "mika", notes="By hand.")
    assert release(kept, "mika", "notes")
    read(Upstream([version(notes="By its author.")]))
    kept.refresh_from_db()
    assert (kept.notes, kept.edited) == ("By its author.", [])


@pytest.mark.parametrize(
    "values", [{"vetting": "approved"}, {"name": ""}, {"name": "x" * 500}, {"trigger_words": "ink"}]
)
def test_what_cannot_be_set_by_hand_is_refused_and_nothing_is_kept(values: dict[str, Any]) -> None:
    kept = read(Upstream([version()]))
    before = Version.objects.values().get(pk=kept.pk)
    with pytest.raises(NotEditable):
        edit(kept, "mika", **values)
    assert Version.objects.values().get(pk=kept.pk) == before
