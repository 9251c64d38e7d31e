"""Two versions side by side on the adapter page: terms, weights and metadata, and asking for the weights."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from registry.analysis import ANALYZE_JOB
from registry.models import AnalysisState, ClaimKind, File, Inspection, Job, Version, VersionDiff
from registry.storage import store_bytes
from registry.verdicts import profile_of
from tests.catalog.pages.rows import CLOSED_FLAGS, OPEN_FLAGS, claim, make_file

pytestmark = pytest.mark.database

WEIGHTS: dict[str, Any] = {
    "same_weights": False,
    "cosine": 0.52,
    "norm_change": 1.3,
    "shared": 192,
    "added": ["extra"],
    "added_count": 1,
    "removed": [],
    "removed_count": 0,
    "rank": {"old": {"median": 8}, "new": {"median": 16}},
    "blocks": [
        {"name": "IN01", "cosine": 0.99, "old": 1.0, "new": 1.0, "norm_change": 1.0},
        {"name": "OUT03", "cosine": 0.1, "old": 2.0, "new": 3.0, "norm_change": 1.5},
        {"name": "OUT05", "cosine": None, "old": 0.0, "new": 1.0, "norm_change": None},
    ],
}


def next_version(version: Version, name: str, flags: dict[str, Any], **fields: Any) -> Version:
    """A later version of the same adapter with a file and flags of its own."""
    made = Version.objects.create(
        adapter=version.adapter,
        source_key=name,
        name=name,
        base_declared=version.base_declared,
        detected_family=version.detected_family,
        **fields,
    )
    make_file(made, f"{version.adapter.name} {name}")
    claim(made, ClaimKind.CIVITAI_FLAGS, flags, url=f"file:{name}.json")
    made.terms_profile = profile_of(made)
    made.save()
    return made


@pytest.fixture
def newer(version: Version) -> Version:
    """The version after the vetted one, whose author took every permission back."""
    return next_version(version, "v2.0", CLOSED_FLAGS)


def show(client: Client, version: Version, **params: Any) -> Any:
    return client.get(f"/adapters/{version.adapter_id}/", {"version": version.pk, **params})


def diff(client: Client, version: Version, **params: Any) -> str:
    page: str = show(client, version, **params).content.decode()
    return page.partition('id="version-diff"')[2].partition('id="similar"')[0]


def test_a_version_is_compared_with_the_one_before_unless_another_is_chosen(
    client: Client, version: Version, newer: Version
) -> None:
    newest = next_version(version, "v3.0", OPEN_FLAGS)
    shown = show(client, newest).context["comparison"]
    assert (shown.old, shown.new) == (newer, newest)
    chosen = show(client, newest, compare=version.pk).context["comparison"]
    assert (chosen.old, chosen.new) == (version, newest)


def test_the_older_stands_left_whichever_is_shown(client: Client, version: Version, newer: Version) -> None:
    shown = show(client, version, compare=newer.pk).context["comparison"]
    assert (shown.old, shown.new) == (version, newer)


def test_the_order_is_that_of_publication(client: Client, version: Version) -> None:
    early = next_version(version, "v0.9", OPEN_FLAGS, published=datetime(2020, 1, 1, tzinfo=UTC))
    assert show(client, version).context["comparison"].old == early


def test_the_version_before_is_found_however_many_came_in_since(client: Client, version: Version) -> None:
    first = next_version(version, "v0.1", OPEN_FLAGS, published=datetime(2020, 1, 1, tzinfo=UTC))
    Version.objects.filter(pk=first.pk).update(created=datetime(2020, 1, 1, tzinfo=UTC))
    common = {"adapter": version.adapter, "detected_family": version.detected_family}
    Version.objects.bulk_create(Version(**common, source_key=str(n), name=str(n)) for n in range(100))
    second = next_version(version, "v0.2", OPEN_FLAGS, published=datetime(2020, 1, 2, tzinfo=UTC))
    for chosen in ({}, {"compare": first.pk}):
        page: Any = show(client, second, **chosen)
        assert first not in page.context["page"].versions
        assert page.context["comparison"].old == first
        assert f'<option value="{first.pk}" selected>' in page.content.decode()
    answer = client.get(f"/api/v1/versions/{second.pk}/diff/").json()
    assert (answer["old"], answer["new"]) == (first.pk, second.pk)


def test_acts_that_became_tighter_are_listed_with_their_clause(
    client: Client, version: Version, newer: Version
) -> None:
    lines = {line.act: line for line in show(client, newer).context["comparison"].acts}
    assert lines["generate_and_sell_images"].direction == "tighter"
    assert "use_privately" not in lines
    text = diff(client, newer)
    assert "tighter" in text
    assert lines["generate_and_sell_images"].after.clause in text


def test_the_claims_behind_it_stand_with_dates_and_sources(
    client: Client, version: Version, newer: Version
) -> None:
    [line] = show(client, newer).context["comparison"].claims
    assert "Commercial use: none" in line.after[0].text
    assert line.before[0].source == "file:card.json"
    text = diff(client, newer)
    assert f'title="{line.after[0].source}"' in text


def test_the_weights_are_told_in_a_sentence_and_block_by_block(
    client: Client, version: Version, newer: Version
) -> None:
    old, new = (each.files.get().blob for each in (version, newer))
    VersionDiff.objects.create(old=old, new=new, edition="1", state=AnalysisState.DONE, data=WEIGHTS)
    text = diff(client, newer).replace("\xa0", " ")
    assert "Trained further or mixed: partly the same direction. It is 30 % stronger." in text
    assert "Changed most: OUT03." in text
    assert "8 → 16" in text
    assert text.count('class="gauge"') == 3


def test_metadata_that_differs_is_listed_with_both_values(
    client: Client, version: Version, newer: Version
) -> None:
    row = Inspection.objects.get(blob__files__version=newer)
    row.data |= {"training": {"steps": 1000}, "rank": {"min": 4, "median": 8, "max": 8}}
    row.save()
    lines = {
        line.label: (line.before, line.after) for line in show(client, newer).context["comparison"].metadata
    }
    assert lines["Steps"] == ("", "1000")
    assert lines["Rank"] == ("16", "4 to 8, median 8")


def test_two_versions_with_the_same_file_say_so(client: Client, version: Version, newer: Version) -> None:
    newer.files.update(blob=version.files.get().blob)
    assert "the very same file" in diff(client, newer)


def test_a_single_version_has_nothing_to_compare_and_says_what_will_be_here(
    client: Client, version: Version
) -> None:
    assert "There is one version" in diff(client, version)


def test_a_version_for_another_family_is_compared_only_when_chosen(client: Client, version: Version) -> None:
    other = next_version(version, "flux", OPEN_FLAGS)
    Version.objects.filter(pk=other.pk).update(detected_family="flux1")
    assert show(client, other).context["comparison"] is None
    assert "Choose one above" in diff(client, other)
    assert show(client, other, compare=version.pk).context["comparison"] is not None


@pytest.mark.parametrize("bad", ["999999", "x", "-1", "9" * 40])
def test_a_version_that_is_not_there_cannot_be_compared_with(
    client: Client, version: Version, bad: str
) -> None:
    assert show(client, version, compare=bad).status_code == 404


def test_a_reader_who_is_signed_in_can_have_the_weights_compared(
    desk: Client, version: Version, newer: Version
) -> None:
    assert "Compare the weights" in diff(desk, newer)
    answer = desk.post(
        f"/adapters/{version.adapter_id}/compare/", {"version": newer.pk, "compare": version.pk}
    )
    assert answer.headers["Location"].startswith(f"/adapters/{version.adapter_id}/?version={newer.pk}")
    assert Job.objects.filter(kind=ANALYZE_JOB).count() == 1
    assert "being compared" in diff(desk, newer)


def test_anybody_else_is_asked_to_sign_in_first(client: Client, version: Version, newer: Version) -> None:
    assert "Compare the weights" not in diff(client, newer)
    answer = client.post(
        f"/adapters/{version.adapter_id}/compare/", {"version": newer.pk, "compare": version.pk}
    )
    assert "/accounts/login/" in answer.headers["Location"]
    assert not Job.objects.filter(kind=ANALYZE_JOB).exists()


def test_versions_of_two_adapters_are_not_compared_by_this_page(
    desk: Client, version: Version, newer: Version
) -> None:
    answer = desk.post(f"/adapters/{version.adapter_id}/compare/", {"version": newer.pk, "compare": newer.pk})
    assert answer.status_code == 404


def test_the_weights_compared_are_those_that_can_be_measured(
    client: Client, version: Version, newer: Version
) -> None:
    # Listed before the weights: a file that is stored, but no safetensors.
    other = store_bytes(b"an embedding", container="gguf")
    first = newer.files.get()
    File.objects.create(pk=first.pk - 1_000_000, version=newer, blob=other, name="a.gguf")
    page = show(client, newer)
    assert page.context["page"].main_file == first
    assert page.context["comparison"].weights.state == "missing"
    first.delete()
    page = show(client, newer)
    assert page.context["page"].main_file.blob == other
    assert page.context["weights"].state == "no_file"
    assert page.context["comparison"].weights.state == "no_file"
